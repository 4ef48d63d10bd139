(() => {
  const STROKES = ["--accent", "--bad", "--good", "--quiet"];

  // About `wanted` round numbers from low to high; whole numbers only if asked.
  function ticks(low, high, wanted, whole) {
    const raw = (high - low) / wanted || 1;
    const power = 10 ** Math.floor(Math.log10(raw));
    let step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
    if (whole) step = Math.max(1, Math.round(step));
    const out = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) out.push(i * step);
    return out;
  }

  const short = (y) => (Math.abs(y) >= 1e5 || (y && Math.abs(y) < 1e-3) ? y.toExponential(0) : String(+y.toPrecision(6)));

  // A line chart in `element`, drawn anew when its width changes.
  // series: [{name, points: [{x, y}], stroke?, dash?}]; x: what the x axis is; log: logarithmic y axis; whole: whole numbers
  // on x; level: {y, name} a horizontal line; format: y as text.
  function lines(element, { label, series, x: what, log = false, whole = false, level, format = short }) {
    const shown = series.filter((line) => line.points.length);
    if (!shown.length) return;
    const all = shown.flatMap((line) => line.points);
    const scaleY = log ? Math.log10 : (y) => y;
    const ys = all.map((p) => scaleY(p.y)).concat(level ? [scaleY(level.y)] : []);
    let [x0, x1] = [Math.min(...all.map((p) => p.x)), Math.max(...all.map((p) => p.x))];
    let [y0, y1] = [Math.min(...ys), Math.max(...ys)];
    if (x0 === x1) x1 = x0 + 1;
    const room = log ? 0.5 : 0.06 * (y1 - y0) || 0.5;
    [y0, y1] = [y0 - room, y1 + room];
    const [left, right, top, bottom, height] = [62, 12, 8, 40, 240];

    function draw(room) {
      const width = Math.max(220, room);
      element.replaceChildren();
      const svg = gemix.add(element, "svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
      svg.setAttribute("aria-label", `${label}: ${summary()}`);
      const px = (x) => left + ((x - x0) / (x1 - x0)) * (width - left - right);
      const py = (y) => height - bottom - ((scaleY(y) - y0) / (y1 - y0)) * (height - top - bottom);
      for (const t of ticks(y0, y1, 4, log)) {
        const y = py(log ? 10 ** t : t);
        gemix.add(svg, "line", { class: "grid", x1: left, x2: width - right, y1: y, y2: y });
        gemix.add(svg, "text", { x: left - 8, y: y + 4, "text-anchor": "end", text: log ? `1e${t}` : short(t) });
      }
      for (const t of ticks(x0, x1, width < 400 ? 4 : 8, whole)) {
        gemix.add(svg, "text", { x: px(t), y: height - bottom + 18, "text-anchor": "middle", text: short(t) });
      }
      gemix.add(svg, "text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle", text: what });
      if (level) gemix.add(svg, "line", { class: "level", x1: left, x2: width - right, y1: py(level.y), y2: py(level.y) });
      shown.forEach((line, i) => {
        const d = line.points.map((p, j) => `${j ? "L" : "M"}${px(p.x).toFixed(1)} ${py(p.y).toFixed(1)}`).join("");
        const path = gemix.add(svg, "path", { class: "line", d });
        path.style.stroke = `var(${stroke(line, i)})`;
        if (line.dash) path.setAttribute("stroke-dasharray", line.dash);
        if (line.points.length > 60) return;
        for (const p of line.points) {
          const dot = gemix.add(svg, "circle", { cx: px(p.x), cy: py(p.y), r: 2.5 });
          dot.style.fill = `var(${stroke(line, i)})`;
        }
      });
      svg.addEventListener("pointerleave", gemix.tooltip.hide);
      svg.addEventListener("pointermove", (event) => {
        const at = x0 + ((event.clientX - svg.getBoundingClientRect().left - left) / (width - left - right)) * (x1 - x0);
        const nearest = (line) => line.points.reduce((a, b) => (Math.abs(b.x - at) < Math.abs(a.x - at) ? b : a));
        const close = shown.map((line) => ({ line, point: nearest(line) }));
        const best = Math.min(...close.map(({ point }) => Math.abs(point.x - at)));
        const here = close.filter(({ point }) => Math.abs(point.x - at) === best);
        const text = here.map(({ line, point }) => `${line.name ? line.name + ": " : ""}${format(point.y)}`);
        gemix.tooltip.show(event, [`${what} ${short(here[0].point.x)}`, ...text]);
      });
    }

    const stroke = (line, i) => line.stroke ?? STROKES[i % STROKES.length];
    const summary = () =>
      shown.map(({ name, points }) => `${name} from ${format(points[0].y)} to ${format(points.at(-1).y)}`.trim()).join("; ");
    gemix.onWidth(element, draw);
  }

  // The key to a chart's lines, before it.
  function legend(element, series) {
    const list = gemix.add(element, "ul", { class: "legend" });
    series.forEach((line, i) => {
      const item = gemix.add(list, "li");
      const mark = gemix.add(item, "span", { class: "mark" });
      mark.style.borderTopColor = `var(${line.stroke ?? STROKES[i % STROKES.length]})`;
      if (line.dash) mark.style.borderTopStyle = "dashed";
      gemix.add(item, "span", { text: line.name });
    });
  }

  Object.assign(gemix, { lines, legend, ticks });
})();
