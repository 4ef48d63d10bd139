(() => {
  const data = gemix.data("map");
  const section = document.getElementById("map");
  const canvas = section.querySelector("canvas");
  const ring = section.querySelector(".ring");
  const context = canvas.getContext("2d");
  const [MOST, CELLS, REACH, MARGIN] = [400, 128, 9, 22]; // largest zoom; cells of the grid; px to a point; px at the edges
  const ROOM = 16000; // square px of the map for each name
  const clamp = (x, low, high) => Math.min(high, Math.max(low, x));

  // Points: coordinates in 0..1, and their domains.
  const words = (text) => new Uint16Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const [X, Y] = [data.x, data.y].map((text) => Float32Array.from(words(text), (v) => v / 65535));
  const domain = words(data.domain);
  const { domains } = data;
  const colours = domains.map((_, i) => gemix.colour(i, domains.length));

  // A grid over the points, to find those under the pointer: cell c holds order[starts[c] .. starts[c + 1]].
  const cell = (v) => clamp(Math.floor(v * CELLS), 0, CELLS - 1);
  const starts = new Uint32Array(CELLS * CELLS + 1);
  for (let i = 0; i < X.length; i++) starts[cell(Y[i]) * CELLS + cell(X[i]) + 1]++;
  for (let c = 0; c < CELLS * CELLS; c++) starts[c + 1] += starts[c];
  const order = new Uint32Array(X.length);
  const next = starts.slice();
  for (let i = 0; i < X.length; i++) order[next[cell(Y[i]) * CELLS + cell(X[i])]++] = i;

  const extent = (values) => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [1, 0]);
  const box = [...extent(X), ...extent(Y)];

  // The view: which point is in the middle, and how many times it is enlarged.
  const view = { x: (box[0] + box[1]) / 2, y: (box[2] + box[3]) / 2, zoom: 1 };
  const home = { ...view };
  let [width, height, fit] = [600, 400, 400]; // fit: px of the unit square at zoom 1
  const scale = () => fit * view.zoom;
  const toX = (x) => (x - view.x) * scale() + width / 2;
  const toY = (y) => (y - view.y) * scale() + height / 2;

  const chosen = new Set(); // domains that are highlighted
  const visible = (i) => !chosen.size || chosen.has(domain[i]);

  // Dots are stamped from a sheet with one disc a domain, and a last one for what is not highlighted.
  let sheet = null;
  function discs(radius, ratio) {
    const size = 2 * Math.ceil(radius * ratio) + 2;
    const quiet = gemix.themeColour("--quiet");
    const key = [radius, ratio, quiet].join();
    if (sheet && sheet.key === key) return sheet;
    const picture = document.createElement("canvas");
    [picture.width, picture.height] = [size * (colours.length + 1), size];
    const pen = picture.getContext("2d");
    [...colours, quiet].forEach((colour, i) => {
      pen.fillStyle = colour;
      pen.beginPath();
      pen.arc(size * (i + 0.5), size / 2, radius * ratio, 0, 2 * Math.PI);
      pen.fill();
    });
    return (sheet = { key, picture, size });
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, w, h);
    const dense = Math.sqrt((fit * fit) / X.length); // px between points if they were spread evenly
    const radius = Math.round(4 * clamp(0.3 * dense * view.zoom ** 0.4, 1.25, 5)) / 4;
    const { picture, size } = discs(radius, ratio);
    const [s, dx, dy] = [scale() * ratio, w / 2 - view.x * scale() * ratio - size / 2, h / 2 - view.y * scale() * ratio - size / 2];
    const stamp = (i, disc) => {
      const [x, y] = [X[i] * s + dx, Y[i] * s + dy];
      if (x > -size && y > -size && x < w && y < h) context.drawImage(picture, disc * size, 0, size, size, x, y, size, size);
    };
    if (chosen.size) {
      context.globalAlpha = 0.22;
      for (let i = 0; i < X.length; i++) if (!visible(i)) stamp(i, colours.length);
    }
    context.globalAlpha = 0.85;
    for (let i = 0; i < X.length; i++) if (visible(i)) stamp(i, domain[i]);
    context.globalAlpha = 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    label();
    section.querySelector("output").textContent = `${view.zoom.toFixed(1)}×`;
  }

  // Names where most of a domain is, the largest first, none over another.
  const ranked = domains.map((_, i) => i).filter((i) => domains[i].place).sort((a, b) => domains[b].documents - domains[a].documents);
  const cut = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);
  const FONT = '600 12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';
  let lengths = null;
  function label() {
    context.font = FONT;
    [context.textAlign, context.textBaseline, context.lineJoin, context.lineWidth] = ["center", "middle", "round", 4];
    lengths ??= domains.map(({ name }) => context.measureText(cut(name, 32)).width);
    context.strokeStyle = gemix.themeColour("--background");
    context.fillStyle = gemix.themeColour("--text");
    const placed = [];
    const most = (width * height) / ROOM;
    for (const i of chosen.size ? ranked.filter((i) => chosen.has(i)) : ranked) {
      if (placed.length >= most) break;
      const [at, half] = [domains[i].place, lengths[i] / 2 + 6];
      let [x, y] = [toX(at[0]), toY(at[1])];
      if (x < 0 || x > width || y < 0 || y > height) continue;
      x = clamp(x, half, Math.max(half, width - half));
      const free = (y) => !placed.some((other) => Math.abs(other.x - x) < other.half + half && Math.abs(other.y - y) < 20);
      y = (chosen.size ? [-20, 20] : [0, -20, 20]).map((shift) => clamp(y + shift, 10, height - 10)).find(free);
      if (y === undefined) continue;
      placed.push({ x, y, half });
      context.strokeText(cut(domains[i].name, 32), x, y);
      context.fillText(cut(domains[i].name, 32), x, y);
    }
    canvas.dataset.labels = placed.length;
  }

  let waiting = false;
  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }

  function move(dx, dy) {
    view.x = clamp(view.x - dx / scale(), box[0], box[1]);
    view.y = clamp(view.y - dy / scale(), box[2], box[3]);
    redraw();
  }

  // Enlarge around a place of the canvas, which stays where it is.
  function zoom(factor, x = width / 2, y = height / 2) {
    const before = scale();
    view.zoom = clamp(view.zoom * factor, 1, MOST);
    const gain = 1 / before - 1 / scale();
    view.x += (x - width / 2) * gain;
    view.y += (y - height / 2) * gain;
    if (view.zoom === 1) Object.assign(view, home);
    move(0, 0);
    point(null);
  }

  function nearest(x, y) {
    const [u, v, reach] = [(x - width / 2) / scale() + view.x, (y - height / 2) / scale() + view.y, REACH / scale()];
    let [best, least] = [null, reach * reach];
    for (let row = cell(v - reach); row <= cell(v + reach); row++) {
      for (let at = starts[row * CELLS + cell(u - reach)]; at < starts[row * CELLS + cell(u + reach) + 1]; at++) {
        const i = order[at];
        const far = (X[i] - u) ** 2 + (Y[i] - v) ** 2;
        if (far < least && visible(i)) [best, least] = [i, far];
      }
    }
    return best;
  }

  // Show the document under the pointer; null: none.
  function point(i, event) {
    ring.hidden = i === null;
    canvas.classList.toggle("pointing", i !== null);
    if (i === null) return gemix.tooltip.hide();
    ring.style.transform = `translate(${toX(X[i])}px, ${toY(Y[i])}px)`;
    ring.style.background = colours[domain[i]];
    gemix.tooltip.show(event, [domains[domain[i]].name, data.excerpts[i]]);
  }

  function highlight(i) {
    if (i === null) chosen.clear();
    else if (!chosen.delete(i)) chosen.add(i);
    for (const [k, button] of buttons.entries()) button.setAttribute("aria-pressed", chosen.has(k));
    redraw();
  }

  // Pointers: one drags, two pinch, one that stays in its place points.
  const pointers = new Map();
  let dragged = false;
  const place = (event) => [event.offsetX, event.offsetY];
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (!pointers.size) dragged = false;
    if (event.pointerType === "touch") point(null);
    pointers.set(event.pointerId, place(event));
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    const last = pointers.get(event.pointerId);
    if (!last) return point(nearest(x, y), event);
    if (!dragged && Math.hypot(x - last[0], y - last[1]) < 4) return;
    if (!dragged) point(null);
    dragged = true;
    canvas.classList.add("moving");
    if (pointers.size === 2) {
      const [other] = [...pointers].find(([id]) => id !== event.pointerId).slice(1);
      const apart = (p) => Math.max(1, Math.hypot(p[0] - other[0], p[1] - other[1]));
      move((x - last[0]) / 2, (y - last[1]) / 2);
      zoom(apart([x, y]) / apart(last), (x + other[0]) / 2, (y + other[1]) / 2);
    } else move(x - last[0], y - last[1]);
    pointers.set(event.pointerId, [x, y]);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (pointers.delete(event.pointerId) && !pointers.size && !dragged) {
      const i = nearest(...place(event));
      if (event.pointerType === "mouse") highlight(i === null ? null : domain[i]);
      else point(i, event);
    }
    canvas.classList.remove("moving");
  });
  canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
  // A finger leaves when it is lifted: what it has tapped stays until the next touch.
  canvas.addEventListener("pointerleave", (event) => event.pointerType === "touch" || point(null));

  // The wheel zooms, unless the page is being scrolled and the map just passes under the pointer.
  let scrolled = -Infinity;
  addEventListener("wheel", (event) => event.target !== canvas && (scrolled = event.timeStamp), { passive: true });
  canvas.addEventListener(
    "wheel",
    (event) => {
      const passing = event.timeStamp - scrolled < 250 && !event.ctrlKey;
      if (passing) scrolled = event.timeStamp;
      if (passing || (event.deltaY > 0 && view.zoom === 1)) return;
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 25 : 1;
      zoom(2 ** (-event.deltaY * lines * (event.ctrlKey ? 0.02 : 0.003)), ...place(event));
    },
    { passive: false },
  );

  const reset = () => zoom(0);
  const keys = {
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), _: () => zoom(1 / 1.5), 0: reset,
    ArrowLeft: () => move(60, 0), ArrowRight: () => move(-60, 0), ArrowUp: () => move(0, 60), ArrowDown: () => move(0, -60),
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    point(null);
    keys[event.key]();
  });
  section.addEventListener("keydown", (event) => event.key === "Escape" && highlight(null));
  const [closer, farther, all] = section.querySelectorAll(".zoom button");
  closer.addEventListener("click", () => zoom(1.5));
  farther.addEventListener("click", () => zoom(1 / 1.5));
  all.addEventListener("click", reset);

  // The legend: a button a domain, the largest first, and a search over them.
  const list = section.querySelector("ul");
  const buttons = new Map();
  for (const i of domains.map((_, k) => k).sort((a, b) => domains[b].documents - domains[a].documents)) {
    const item = gemix.add(list, "li");
    const button = gemix.add(item, "button", { type: "button", "aria-pressed": "false", title: domains[i].name });
    gemix.add(button, "span", { class: "swatch" }).style.background = colours[i];
    gemix.add(button, "bdi", { text: domains[i].name });
    gemix.add(button, "small", { text: gemix.count(domains[i].documents) });
    button.addEventListener("click", () => highlight(i));
    buttons.set(i, button);
  }
  const search = document.getElementById("map-search");
  const found = () => [...buttons].filter(([i]) => domains[i].name.toLowerCase().includes(search.value.trim().toLowerCase()));
  search.addEventListener("input", () => {
    const shown = new Set(found().map(([i]) => i));
    for (const [i, button] of buttons) button.parentElement.hidden = !shown.has(i);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && found().length) highlight(found()[0][0]);
  });

  gemix.onTheme(redraw);
  gemix.onWidth(canvas.parentElement, (room) => {
    width = room;
    height = Math.round(clamp(0.68 * room, 300, 680));
    canvas.style.height = `${height}px`;
    fit = Math.min((width - 2 * MARGIN) / Math.max(box[1] - box[0], 0.01), (height - 2 * MARGIN) / Math.max(box[3] - box[2], 0.01));
    point(null);
    draw();
  });
})();
