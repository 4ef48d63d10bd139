(() => {
  const { phases } = gemix.data("convergence");
  const section = document.getElementById("convergence");
  const several = phases.length > 1;
  let start = 0;
  const at = phases.map((phase) => (start += phase.objective.length) - phase.objective.length);
  const series = (key, smallest) =>
    phases.map((phase, p) => ({
      name: several ? `phase ${p + 1}` : "",
      points: phase[key].flatMap((y, i) => (y === null ? [] : [{ x: at[p] + i, y: Math.max(y, smallest) }])),
    }));
  for (const chart of section.querySelectorAll(".chart")) {
    const gap = chart.dataset.chart === "gap";
    gemix.lines(chart, {
      label: chart.closest("figure").querySelector("figcaption").textContent,
      series: series(chart.dataset.chart, gap ? 1e-17 : -Infinity),
      x: "iteration",
      log: gap,
      whole: true,
      format: gap ? (y) => y.toExponential(1) : (y) => y.toFixed(4),
    });
  }
})();
