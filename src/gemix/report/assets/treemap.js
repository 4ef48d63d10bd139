(() => {
  const { nodes } = gemix.data("treemap");
  const section = document.getElementById("treemap");
  const area = section.querySelector(".treemap");
  const crumbs = section.querySelector(".crumbs");
  const root = nodes.length - 1;
  const leaves = nodes.filter((node) => !node.children.length).length;
  const weight = (id) => nodes[id].tokens;
  const descendants = (id) => (nodes[id].children.length ? nodes[id].children.flatMap(descendants) : [id]);

  // The groups of a cut: open the highest node until there are enough.
  function cut(id) {
    const wanted = Math.min(14, Math.max(4, Math.round(1.2 * Math.sqrt(descendants(id).length))));
    let groups = nodes[id].children.length ? [...nodes[id].children] : [id];
    while (groups.length < wanted) {
      const inner = groups.filter((g) => nodes[g].children.length);
      if (!inner.length) break;
      const highest = inner.reduce((a, b) => (nodes[b].height > nodes[a].height ? b : a));
      groups = groups.flatMap((g) => (g === highest ? nodes[g].children : [g]));
    }
    return groups;
  }

  // Squarified treemap (Bruls, Huizing and van Wijk 2000): rectangles {id, x, y, w, h} that fill width x height.
  function squarify(ids, width, height) {
    const rest = ids.filter((id) => weight(id) > 0).sort((a, b) => weight(b) - weight(a) || a - b);
    const unit = (width * height) / rest.reduce((sum, id) => sum + weight(id), 0);
    const out = [];
    let [x, y, w, h] = [0, 0, width, height];
    while (rest.length) {
      const side = Math.min(w, h);
      let row = [], total = 0, worst = Infinity;
      for (const id of rest) {
        const sum = total + weight(id) * unit;
        const sizes = [...row, id].map((i) => weight(i) * unit);
        const ratio = Math.max((side ** 2 * Math.max(...sizes)) / sum ** 2, sum ** 2 / (side ** 2 * Math.min(...sizes)));
        if (ratio > worst) break;
        [row, total, worst] = [[...row, id], sum, ratio];
      }
      rest.splice(0, row.length);
      const depth = total / side;
      let along = 0;
      for (const id of row) {
        const length = (weight(id) * unit) / depth;
        out.push(w >= h ? { id, x, y: y + along, w: depth, h: length } : { id, x: x + along, y, w: length, h: depth });
        along += length;
      }
      if (w >= h) [x, w] = [x + depth, w - depth];
      else [y, h] = [y + depth, h - depth];
    }
    return out;
  }

  function put(element, box, width, height) {
    element.style.left = `${(100 * box.x) / width}%`;
    element.style.top = `${(100 * box.y) / height}%`;
    element.style.width = `${(100 * box.w) / width}%`;
    element.style.height = `${(100 * box.h) / height}%`;
  }

  const total = weight(root);
  function describe(id) {
    const node = nodes[id];
    const size = `${gemix.count(node.tokens)} tokens (${gemix.percent(node.tokens / total)}), ${gemix.count(node.documents)} documents`;
    return [node.name, size, ...(node.keywords.length ? [node.keywords.join(", ")] : [])];
  }

  function tile(parent, box, width, height) {
    const size = box.w < 50 || box.h < 20 ? "tiny" : box.w < 90 || box.h < 55 ? "narrow" : "";
    const link = gemix.add(parent, "a", { class: `tile ${size}`, href: `#domain-${box.id}` });
    put(link, box, width, height);
    link.style.background = gemix.colour(box.id, leaves);
    const label = gemix.add(link, "span", { dir: "auto" });
    gemix.add(label, "b", { text: nodes[box.id].name });
    gemix.add(label, "small", { text: gemix.percent(weight(box.id) / total) });
    gemix.explain(link, () => describe(box.id));
  }

  let shown = root;
  function show(id) {
    shown = id;
    area.replaceChildren();
    const { width, height } = area.getBoundingClientRect();
    for (const box of squarify(cut(id), width, height)) {
      if (!nodes[box.id].children.length) {
        tile(area, box, width, height);
        continue;
      }
      const group = gemix.add(area, "div", { class: "group" });
      put(group, box, width, height);
      const heading = gemix.add(group, "button", { type: "button", text: nodes[box.id].name, dir: "auto" });
      heading.addEventListener("click", () => open(box.id));
      gemix.explain(heading, () => describe(box.id));
      const inside = gemix.add(group, "div");
      const [w, h] = [Math.max(1, box.w - 4), Math.max(1, box.h - 28)];
      for (const leaf of squarify(descendants(box.id), w, h)) tile(inside, leaf, w, h);
    }
  }

  // The way from the root to a node.
  function path(id) {
    const parent = nodes.findIndex((node) => node.children.includes(id));
    return parent < 0 ? [id] : [...path(parent), id];
  }

  function open(id) {
    gemix.tooltip.hide();
    show(id);
    crumbs.replaceChildren();
    crumbs.hidden = id === root;
    for (const step of path(id).slice(0, -1)) {
      const button = gemix.add(crumbs, "button", { type: "button", text: step === root ? "All domains" : nodes[step].name });
      button.addEventListener("click", () => open(step));
    }
    gemix.add(crumbs, "span", { text: nodes[id].name, dir: "auto" });
    if (id !== root) crumbs.firstChild.focus();
    else area.querySelector("button, a").focus({ preventScroll: true });
  }
  section.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !crumbs.hidden) open(root);
  });

  if (total > 0) gemix.onWidth(area, () => show(shown));
  else area.hidden = true;
})();
