(() => {
  const all = [...document.querySelectorAll("details.domain")];
  const button = document.getElementById("unfold");
  button.hidden = false;
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", open);
    button.textContent = open ? "Close all" : "Open all";
    for (const domain of all) domain.open = open;
  });

  // A link to a domain opens it.
  function reveal() {
    const domain = document.getElementById(location.hash.slice(1));
    if (!domain?.matches("details.domain")) return;
    domain.open = true;
    domain.scrollIntoView({ block: "start" });
    domain.querySelector("summary").focus({ preventScroll: true });
  }
  addEventListener("hashchange", reveal);
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#domain-"]');
    if (link?.hash === location.hash) reveal(); // the same link again changes no hash
  });
  reveal();

  // Paper cannot be clicked.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all.filter((domain) => !domain.open);
    for (const domain of closed) domain.open = true;
  });
  addEventListener("afterprint", () => {
    for (const domain of closed) domain.open = false;
  });
})();
