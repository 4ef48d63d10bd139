(() => {
  const { methods, domains } = gemix.data("balance");
  const section = document.getElementById("balance");
  const STYLES = {
    "before balancing": { stroke: "--quiet" },
    "after balancing": { stroke: "--accent" },
    "labelled corpus": { stroke: "--accent", dash: "5 4" },
    "k-means": { stroke: "--bad" },
    "spherical k-means": { stroke: "--bad", dash: "5 4" },
    "von Mises-Fisher mixture": { stroke: "--good" },
  };
  const series = methods.map(({ name, sizes }) => ({ name, points: sizes.map((y, i) => ({ x: i + 1, y })), ...STYLES[name] }));
  gemix.legend(section.querySelector(".key"), series);
  gemix.lines(section.querySelector("[data-chart=sizes]"), {
    label: "Domains from the largest to the smallest, relative to uniform",
    series,
    x: "rank",
    whole: true,
    level: { y: 1 },
    format: (y) => y.toFixed(2),
  });

  // A line a domain, from its size before balancing to the one after. Hundreds of them would say nothing more.
  const figure = section.querySelector("[data-chart=moves]");
  const moved = [...domains].sort((a, b) => b.before - a.before).map((domain) => ({ ...domain, far: Math.abs(domain.before - domain.after) }));
  const most = 40;
  let rows = moved;
  if (moved.length > most) {
    const limit = [...moved].sort((a, b) => b.far - a.far)[most - 1].far;
    rows = moved.filter((domain) => domain.far >= limit).slice(0, most);
    figure.querySelector("figcaption").textContent = `What balancing did to the ${most} domains that it changed most`;
  }
  const element = figure.querySelector(".chart");
  gemix.onWidth(element, (room) => {
    element.replaceChildren();
    const [width, line, top, bottom] = [Math.max(260, room), 17, 4, 34];
    const left = Math.min(190, 0.42 * width);
    const height = top + bottom + line * rows.length;
    const values = [1, ...rows.flatMap(({ before, after }) => [before, after])];
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const px = (value) => left + 6 + ((value - low) / (high - low || 1)) * (width - left - 24);
    const svg = gemix.add(element, "svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
    svg.setAttribute("aria-label", rows.map((d) => `${d.name}: ${d.before.toFixed(2)} to ${d.after.toFixed(2)}`).join("; "));
    gemix.add(svg, "line", { class: "level", x1: px(1), x2: px(1), y1: top, y2: height - bottom });
    rows.forEach((domain, i) => {
      const y = top + line * (i + 0.5);
      const row = gemix.add(svg, "g");
      gemix.add(row, "rect", { x: 0, y: y - line / 2, width, height: line, fill: "transparent" });
      const letters = Math.floor(left / 7);
      const name = domain.name.length > letters ? domain.name.slice(0, letters - 1) + "…" : domain.name;
      gemix.add(row, "text", { x: left - 10, y: y + 4, "text-anchor": "end", text: name });
      gemix.add(row, "line", { class: "move", x1: px(domain.before), x2: px(domain.after), y1: y, y2: y });
      gemix.add(row, "circle", { class: "before", cx: px(domain.before), cy: y, r: 3.5 });
      gemix.add(row, "circle", { class: "after", cx: px(domain.after), cy: y, r: 4 });
      row.addEventListener("pointermove", (event) =>
        gemix.tooltip.show(event, [domain.name, `before ${domain.before.toFixed(2)}, after ${domain.after.toFixed(2)} of uniform`]));
      row.addEventListener("pointerleave", gemix.tooltip.hide);
    });
    for (const value of gemix.ticks(low, high, 5)) {
      gemix.add(svg, "text", { x: px(value), y: height - bottom + 16, "text-anchor": "middle", text: String(+value.toPrecision(6)) });
    }
    gemix.add(svg, "text", { x: (left + width) / 2, y: height - 2, "text-anchor": "middle", text: "size relative to uniform: ○ before, ● after" });
  });
})();
