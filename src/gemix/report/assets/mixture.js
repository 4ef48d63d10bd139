(() => {
  // --- Surrogates: the formulas of docs/surrogates.md, and the projection of docs/mix.md ---

  const numbers = (text, Type = Float64Array) => new Type(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const dot = (a, b) => sum(a.map((x, i) => x * b[i]));

  // From a model of the page's data to w -> [mean, std] in the unit of the result.
  function surrogate(model) {
    const { mean, scale } = model;
    if (!scale) return () => [mean, 0];
    const standardised = KINDS[model.kind](model);
    return (w) => {
      const [m, s] = standardised(w);
      return [mean + scale * m, scale * s];
    };
  }

  const KINDS = {
    gp({ center, length_scales, signal, slope, noise, constant, ...tables }) {
      const [inputs, alpha] = [numbers(tables.inputs), numbers(tables.alpha)];
      const L = tables.cholesky && numbers(tables.cholesky); // row after row of the lower triangle
      const [n, k] = [alpha.length, center.length];
      const square = Array.from({ length: n }, (_, i) => sum(inputs.subarray(i * k, (i + 1) * k).map((x) => x * x)));
      return (w) => {
        const b = w.map((x, j) => (Math.sqrt(x) - center[j]) / length_scales[j]);
        const own = dot(b, b);
        const across = new Float64Array(n);
        for (let i = 0; i < n; i++) {
          let product = 0;
          for (let j = 0; j < k; j++) product += inputs[i * k + j] * b[j];
          const squared = Math.max(square[i] + own - 2 * product, 0);
          const r = Math.sqrt(5 * squared);
          across[i] = signal * (1 + r + (5 / 3) * squared) * Math.exp(-r) + slope * product + constant;
        }
        const mean = dot(across, alpha);
        if (!L) return [mean, NaN];
        let variance = signal + slope * own + constant;
        const half = new Float64Array(n); // L half = across
        for (let i = 0, at = 0; i < n; i++) {
          let left = across[i];
          for (let j = 0; j < i; j++) left -= L[at++] * half[j];
          half[i] = left / L[at++];
          variance -= half[i] * half[i];
        }
        return [mean, Math.sqrt(Math.max(variance, 0) + noise)];
      };
    },

    lightgbm({ splits, noise, ...tables }) {
      const [feature, threshold, values] = [numbers(tables.split_feature, Uint16Array), numbers(tables.threshold), numbers(tables.values)];
      const [left, right] = [tables.left_child, tables.right_child].map((text) => numbers(text, Int16Array));
      return (w) => {
        let [total, split, leaf] = [0, 0, 0]; // where the tree's splits and leaves begin
        for (const count of splits) {
          let node = count ? 0 : -1;
          while (node >= 0) node = w[feature[split + node]] <= threshold[split + node] ? left[split + node] : right[split + node];
          total += values[leaf + ~node];
          split += count;
          leaf += count + 1;
        }
        return [total, noise];
      };
    },

    loglinear({ exponents, floor, noise, ...tables }) {
      const inverse = numbers(tables.inverse);
      return (w) => {
        const grown = Math.exp(Math.min(dot(w, exponents), 50));
        const J = [...w.map((x) => grown * x), 1];
        const leverage = sum(J.map((x, i) => x * dot(J, inverse.subarray(i * J.length, (i + 1) * J.length))));
        return [grown + floor, noise * Math.sqrt(1 + Math.max(leverage, 0))];
      };
    },

    linear({ center, coefficients, noise, runs, ...tables }) {
      const spread = numbers(tables.spread); // symmetric
      return (w) => {
        const x = w.map((v, j) => v - center[j]);
        const leverage = sum(x.map((_, j) => dot(x, spread.subarray(j * x.length, (j + 1) * x.length)) ** 2));
        return [dot(x, coefficients), noise * Math.sqrt(1 + 1 / runs + leverage)];
      };
    },

    auto({ weights, members }) {
      const each = members.map(surrogate);
      return (w) => {
        const found = each.map((member) => member(w));
        const mean = sum(found.map(([m], i) => weights[i] * m));
        return [mean, Math.sqrt(sum(found.map(([m, s], i) => weights[i] * (s * s + (m - mean) ** 2))))];
      };
    },
  };

  // From the data of the sliders to w -> {value, std, targets: [[mean, std], ...]}; std of several targets is a bound.
  function objective({ targets, objective: kind }) {
    const each = targets.map(({ model, spread }) => {
      const predict = surrogate(model);
      return (w) => (spread === null ? predict(w) : [predict(w)[0], spread]);
    });
    return (w) => {
      const found = each.map((predict) => predict(w));
      if (kind === "mean") {
        const value = sum(found.map(([m], t) => targets[t].weight * m));
        return { value, std: sum(found.map(([, s], t) => Math.abs(targets[t].weight) * s)), targets: found };
      }
      const value = Math.max(...found.map(([m], t) => ((m - targets[t].centre) / targets[t].scale) * targets[t].weight));
      const std = Math.sqrt(sum(found.map(([, s], t) => ((s * targets[t].weight) / targets[t].scale) ** 2)));
      return { value, std, targets: found };
    };
  }

  // clip(c ratio, floor, cap) with the c for which the sum is `total`.
  function project(ratios, floor, cap, total = 1) {
    const filled = (c) => ratios.map((r, j) => Math.min(Math.max(Math.exp(c) * r, floor[j]), cap[j]));
    let [low, high] = [-80, 80];
    for (let i = 0; i < 100; i++) {
      const middle = (low + high) / 2;
      if (sum(filled(middle)) < total) low = middle;
      else high = middle;
    }
    return filled(high);
  }

  gemix.mixing = { surrogate, objective, project };

  // --- The panel ---

  const data = gemix.data("mixture");
  const sliders = data && data.sliders;
  const section = document.getElementById("mixture");
  if (!section) return;
  const { domains } = data;
  const play = section.querySelector(".play");
  const rows = [...section.querySelectorAll("[data-domain]")];
  const percent = (x) => `${(100 * x).toFixed(2)} %`;

  // Epochs for the number of tokens that is typed in.
  const budget = document.getElementById("mixture-budget");
  if (data.budget) budget.value = data.budget >= 1e7 ? data.budget.toExponential().replace("+", "") : data.budget;
  const epochs = (k, w) => {
    const tokens = Number(budget.value.replaceAll(",", ""));
    return tokens > 0 && domains[k].tokens ? ((w * tokens) / domains[k].tokens).toFixed(2) : "–";
  };
  const chosen = domains.map((row) => row.weight);
  let weights = chosen;
  function showEpochs() {
    for (const row of rows) {
      const k = Number(row.dataset.domain);
      row.querySelector(".epochs").textContent = epochs(k, chosen[k]);
      if (sliders) row.querySelector(".epochs-yours").textContent = epochs(k, weights[k]);
    }
  }
  budget.addEventListener("input", showEpochs);
  play.hidden = false;
  if (!sliders) {
    for (const element of play.querySelectorAll("figure, button")) element.hidden = true;
    return;
  }

  const predict = objective(sliders);
  const { floor, cap, targets } = sliders;
  const shares = domains.map((row) => row.share ?? 0);
  const starts = {
    natural: sum(shares) > 0 ? shares : null,
    uniform: domains.map(() => 1),
    chosen: null,
  };
  // A ratio of 0 could never grow again.
  const within = (ratios) => project(ratios.map((r) => r + 1e-12), floor, cap);
  const known = [
    ...(starts.natural ? [["natural", "Natural shares", within(starts.natural)]] : []),
    ["uniform", "Uniform", within(starts.uniform)],
    ["chosen", `As chosen (${data.strategy})`, chosen],
  ];
  const places = Object.fromEntries(known.map(([key, , w]) => [key, w]));
  const fixed = known.map(([, title, w]) => ({ title, ...predict(w) }));

  // One target is shown as itself, several as what was minimised.
  const single = targets.length === 1 && sliders.objective === "mean";
  const readout = single ? ({ targets: [[value, std]] }) => ({ value, std }) : (found) => found;
  const better = single && targets[0].weight < 0 ? "higher is better" : "lower is better";
  const what = single
    ? `Predicted ${targets[0].name}`
    : sliders.objective === "mean"
      ? "Predicted weighted sum of the targets"
      : "Predicted worst target, in standard deviations over the runs";
  play.querySelector("figcaption").textContent = `${what}: one run, ± one standard deviation${single ? "" : " at most"}; ${better}`;
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.min(...fixed.map((found) => readout(found).std).filter((s) => s > 0), 1))));
  const shown = ({ value, std }) => `${value.toFixed(digits)} ± ${std.toFixed(digits)}`;

  const chart = play.querySelector(".chart");
  function draw() {
    const lines = [...fixed, { title: "Yours", yours: true, ...predict(weights) }].map((found) => ({ ...found, ...readout(found) }));
    const width = Math.max(320, chart.clientWidth);
    const [left, right, height] = [Math.min(190, 0.36 * width), 150, 22];
    const low = Math.min(...lines.map(({ value, std }) => value - std));
    const high = Math.max(...lines.map(({ value, std }) => value + std));
    const px = (v) => left + ((v - low) / (high - low || 1)) * (width - left - right);
    chart.replaceChildren();
    const total = height * lines.length;
    const svg = gemix.add(chart, "svg", { viewBox: `0 0 ${width} ${total}`, width, height: total, role: "img" });
    svg.setAttribute("aria-label", lines.map((line) => `${line.title}: ${shown(line)}`).join("; "));
    lines.forEach((line, i) => {
      const y = height * (i + 0.5);
      const style = line.yours ? "yours" : "";
      gemix.add(svg, "text", { class: style, x: left - 12, y: y + 4, "text-anchor": "end", text: line.title });
      gemix.add(svg, "line", { class: "grid", x1: left, x2: width - right, y1: y, y2: y });
      const group = gemix.add(svg, "g", { class: style });
      gemix.add(group, "line", { x1: px(line.value - line.std), x2: px(line.value + line.std), y1: y, y2: y });
      gemix.add(group, "circle", { cx: px(line.value), cy: y, r: line.yours ? 5 : 4 });
      gemix.add(svg, "text", { class: style, x: width - right + 12, y: y + 4, text: shown(line) });
    });
    chart.dataset.value = lines.at(-1).value;
    if (single) return;
    cells.forEach((cell, t) => (cell.textContent = targetText(lines.at(-1).targets[t])));
  }

  // Each of several targets, at every place.
  const targetText = ([value, std]) => `${value.toPrecision(4)} ± ${std.toPrecision(2)}`;
  const cells = [];
  if (!single) {
    const each = section.querySelector(".each");
    each.hidden = false;
    const table = gemix.add(each, "table");
    gemix.add(table, "caption", { text: "Predictions for every target" });
    const head = gemix.add(gemix.add(table, "thead"), "tr");
    for (const text of ["Target", ...known.map(([, title]) => title), "Yours"]) {
      gemix.add(head, "th", { scope: "col", text, class: text === "Target" ? "" : "number" });
    }
    const body = gemix.add(table, "tbody");
    targets.forEach((target, t) => {
      const row = gemix.add(body, "tr");
      gemix.add(row, "th", { scope: "row", text: target.name });
      for (const found of fixed) gemix.add(row, "td", { class: "number", text: targetText(found.targets[t]) });
      cells.push(gemix.add(row, "td", { class: "number" }));
    });
  }

  // A slider a domain, even in sqrt(w), so that small weights have room. The others share the rest in their ratios.
  const head = section.querySelector(".weights thead tr");
  for (const text of ["Try", "Yours", "Epochs"]) gemix.add(head, "th", { scope: "col", class: text === "Try" ? "controls" : "number controls", text });
  const most = floor.map((low, k) => Math.min(cap[k], 1 - sum(floor) + low));
  const least = cap.map((high, k) => Math.max(floor[k], 1 - sum(cap) + high));
  const inputs = new Map();
  for (const row of rows) {
    const k = Number(row.dataset.domain);
    const input = gemix.add(gemix.add(row, "td", { class: "controls" }), "input", { type: "range", min: 0, max: 1, step: 0.002 });
    input.setAttribute("aria-label", `Weight of ${domains[k].name}`);
    input.title = `${percent(least[k])} to ${percent(most[k])}`;
    input.disabled = most[k] - least[k] < 1e-9;
    gemix.add(row, "td", { class: "number controls yours" });
    gemix.add(row, "td", { class: "number controls epochs-yours" });
    inputs.set(k, input);
    let before = null; // the weights when the slider was taken: its whole way counts from there
    input.addEventListener("input", () => {
      before ??= weights;
      const w = (Math.sqrt(least[k]) + input.valueAsNumber * (Math.sqrt(most[k]) - Math.sqrt(least[k]))) ** 2;
      const others = before.map((x, j) => (j === k ? 0 : x + 1e-9 * (chosen[j] + 1e-6)));
      const fix = (bounds) => bounds.map((bound, j) => (j === k ? 0 : bound));
      weights = project(others, fix(floor), fix(cap), 1 - w).map((x, j) => (j === k ? w : x));
      show(k);
    });
    input.addEventListener("change", () => (before = null));
  }

  function show(moved) {
    for (const row of rows) {
      const k = Number(row.dataset.domain);
      const span = Math.sqrt(most[k]) - Math.sqrt(least[k]);
      const input = inputs.get(k);
      if (k !== moved) input.value = span > 0 ? (Math.sqrt(weights[k]) - Math.sqrt(least[k])) / span : 0;
      input.setAttribute("aria-valuetext", percent(weights[k]));
      row.querySelector(".yours").textContent = percent(weights[k]);
    }
    showEpochs();
    draw();
  }

  for (const button of play.querySelectorAll("[data-start]")) {
    button.hidden = !(button.dataset.start in places);
    button.addEventListener("click", () => {
      weights = places[button.dataset.start];
      show(null);
    });
  }
  gemix.onWidth(chart, draw);
  show(null);
})();
