"use strict";
// What every panel uses. Texts of the corpus enter the page through textContent alone.
window.gemix = (() => {
  // The data of a panel, or null.
  function data(name) {
    const element = document.getElementById("data-" + name);
    return element && JSON.parse(element.textContent);
  }

  const page = data("page");
  const root = document.documentElement;

  // Colour i of n, "#rrggbb", the same in both themes; black text is readable on it. Hues follow the tree, so that
  // neighbours in it look alike; lightness alternates, so that they can be told apart. (OKLCH: Ottosson 2020.)
  function colour(i, n) {
    const place = n === page.order.length ? page.order[i] : i;
    const hue = (2 * Math.PI * place) / n + 0.5;
    const [l, c] = [[0.7, 0.12], [0.84, 0.085], [0.77, 0.11]][place % 3];
    const [a, b] = [c * Math.cos(hue), c * Math.sin(hue)];
    const [long, medium, short] = [
      l + 0.3963377774 * a + 0.2158037573 * b,
      l - 0.1055613458 * a - 0.0638541728 * b,
      l - 0.0894841775 * a - 1.291485548 * b,
    ].map((x) => x ** 3);
    const rgb = [
      4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
      -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
      -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short,
    ].map((x) => (x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055));
    return "#" + rgb.map((x) => Math.round(255 * Math.min(1, Math.max(0, x))).toString(16).padStart(2, "0")).join("");
  }

  // The colour that a variable of page.css has in the theme that is shown, as "rgb(...)": for canvases.
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  function themeColour(variable) {
    probe.style.color = `var(${variable})`;
    return getComputedStyle(probe).color;
  }

  // Call back when the theme has changed.
  const listeners = [];
  const onTheme = (callback) => listeners.push(callback);
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  systemDark.addEventListener("change", changed);
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches);

  const toggle = document.getElementById("theme");
  toggle.hidden = false;
  function changed() {
    toggle.textContent = isDark() ? "Light" : "Dark";
    toggle.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`);
    for (const callback of listeners) callback();
  }
  toggle.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    changed();
  });
  changed();

  // New element with attributes, at the end of `parent`. `class`, `href`, ... as in HTML; `text` becomes its text.
  function add(parent, tag, attributes = {}) {
    const space = tag === "svg" || parent instanceof SVGElement ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
    const element = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "text") element.textContent = value;
      else element.setAttribute(name, value);
    }
    parent.append(element);
    return element;
  }

  // tooltip.show({clientX, clientY}, [heading, line, ...]) beside a point of the window, and tooltip.hide().
  const box = add(document.body, "div", { id: "tooltip", role: "status" });
  box.hidden = true;
  const tooltip = {
    show(at, lines) {
      box.replaceChildren();
      lines.forEach((line, i) => add(box, i ? "p" : "strong", { text: line, dir: "auto" }));
      box.hidden = false;
      const { width, height } = box.getBoundingClientRect();
      const x = at.clientX + 14 + width > innerWidth ? at.clientX - 14 - width : at.clientX + 14;
      const y = at.clientY + 14 + height > innerHeight ? at.clientY - 14 - height : at.clientY + 14;
      box.style.left = `${Math.max(4, x)}px`;
      box.style.top = `${Math.max(4, y)}px`;
    },
    hide: () => (box.hidden = true),
  };
  addEventListener("keydown", (event) => event.key === "Escape" && tooltip.hide());

  // The tooltip of an element, by mouse and by keyboard; `lines` is called when it is needed.
  let focused = null; // shows the tooltip of the element with the focus, which scrolls into view
  addEventListener("scroll", () => (focused ? focused() : tooltip.hide()), { passive: true });
  function explain(element, lines) {
    element.addEventListener("pointermove", (event) => tooltip.show(event, lines()));
    element.addEventListener("pointerleave", tooltip.hide);
    element.addEventListener("focus", () => {
      if (!element.matches(":focus-visible")) return;
      focused = () => {
        const { left, bottom } = element.getBoundingClientRect();
        tooltip.show({ clientX: left, clientY: bottom - 10 }, lines());
      };
      focused();
    });
    element.addEventListener("blur", () => {
      focused = null;
      tooltip.hide();
    });
  }

  // Draw into an element now, and again whenever its width changes.
  function onWidth(element, draw) {
    let last = 0;
    new ResizeObserver(() => {
      if (element.clientWidth && element.clientWidth !== last) draw((last = element.clientWidth));
    }).observe(element);
    draw((last = element.clientWidth || 600));
  }

  // 1234567 -> "1,234,567"; 0.0123 -> "1.2 %".
  const count = (x) => x.toLocaleString("en-US");
  const percent = (x) => `${(100 * x).toFixed(1)} %`;

  for (const swatch of document.querySelectorAll("[data-swatch]")) {
    swatch.style.background = colour(Number(swatch.dataset.swatch), page.order.length);
  }

  return { data, colour, themeColour, onTheme, add, tooltip, explain, onWidth, count, percent };
})();
