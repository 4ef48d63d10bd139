(() => {
  const { matrix, names } = gemix.data("agreement");
  const element = document.querySelector("#agreement .matrix");
  if (!element) return;
  const { order, counts } = matrix;
  const k = order.length;
  // Shades are shares of the row: what the student makes of one domain of the teacher.
  const totals = counts.map((row) => Math.max(1, row.reduce((a, b) => a + b, 0)));

  gemix.onWidth(element, (width) => {
    element.replaceChildren();
    const left = Math.min(150, 0.34 * width);
    const cell = Math.max(2, Math.min(26, (width - left) / k));
    const size = cell * k;
    const height = size + 4;
    const svg = gemix.add(element, "svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
    svg.setAttribute("aria-label", "Confusion of teacher and student; the table of the most confused pairs says it in words");
    gemix.add(svg, "rect", { class: "ground", x: left, y: 0, width: size, height: size });
    counts.forEach((row, i) => {
      if (cell >= 11) {
        const letters = Math.floor(left / 7);
        const name = names[order[i]];
        const text = name.length > letters ? name.slice(0, letters - 1) + "…" : name;
        gemix.add(svg, "text", { x: left - 6, y: (i + 0.5) * cell + 4, "text-anchor": "end", text });
      }
      row.forEach((n, j) => {
        if (!n) return;
        const box = { x: left + j * cell, y: i * cell, width: cell - 0.5, height: cell - 0.5 };
        gemix.add(svg, "rect", { ...box, class: i === j ? "hit" : "miss", opacity: (0.12 + 0.88 * (n / totals[i])).toFixed(3) });
      });
    });
    svg.addEventListener("pointerleave", gemix.tooltip.hide);
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const i = Math.floor((event.clientY - box.top) / cell);
      const j = Math.floor((event.clientX - box.left - left) / cell);
      if (i < 0 || j < 0 || i >= k || j >= k) return gemix.tooltip.hide();
      gemix.tooltip.show(event, [
        `${counts[i][j]} of ${totals[i]} documents`,
        `teacher: ${names[order[i]]}`,
        `student: ${names[order[j]]}`,
      ]);
    });
  });
})();
