(() => {
  const table = document.getElementById("domain-table");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const headers = [...table.tHead.rows[0].cells];
  const search = document.getElementById("search");
  const found = document.getElementById("found");

  // What a cell sorts by: its number, or null where it has none, or its text.
  const key = (row, column, numeric) => {
    const cell = row.cells[column];
    if (!numeric) return cell.textContent.trim();
    return "value" in cell.dataset ? Number(cell.dataset.value) : null;
  };
  const order = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;

  headers.forEach((header, column) => {
    const button = header.querySelector("button");
    if (!button) return;
    const numeric = header.classList.contains("number");
    button.addEventListener("click", () => {
      const current = header.ariaSort;
      const falling = current === "none" ? numeric && column > 0 : current === "ascending";
      for (const other of headers) if (other.hasAttribute("aria-sort")) other.ariaSort = "none";
      header.ariaSort = falling ? "descending" : "ascending";
      const sorted = rows
        .map((row) => ({ row, key: key(row, column, numeric) }))
        .sort((a, b) => {
          if (a.key === null || b.key === null) return (a.key === null) - (b.key === null); // what is missing comes last
          return (numeric ? a.key - b.key : order(a.key, b.key)) * (falling ? -1 : 1);
        });
      body.append(...sorted.map((entry) => entry.row));
    });
  });
  headers[0].ariaSort = "ascending";

  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const texts = new Map(rows.map((row) => [row, fold([0, 1, 2].map((i) => row.cells[i].textContent).join(" "))]));
  function filter() {
    const words = fold(search.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => texts.get(row).includes(word));
      shown += !row.hidden;
    }
    found.textContent = words.length ? `${gemix.count(shown)} of ${gemix.count(rows.length)} domains` : "";
  }
  search.addEventListener("input", filter);
  filter();
  // "/" goes to the search, as in many tools, unless one is typing.
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select")) return;
    event.preventDefault();
    search.focus();
  });
})();
