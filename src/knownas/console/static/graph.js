// Draws the graph of a person where the page says that the nodes stand. The tables of the page say the same without it.
"use strict";

(() => {
  const element = document.getElementById("graph");
  if (element === null || typeof cytoscape === "undefined") return;
  const data = JSON.parse(element.dataset.graph);
  // The most pixels that a drawing may have: a browser draws nothing beyond what its memory for one takes.
  const PIXELS_MAX = 8000000;
  element.style.width = `${data.width}px`;
  element.style.height = `${data.height}px`;

  const colours = () => {
    const found = {};
    for (const key of document.querySelectorAll(".graph-key")) {
      const style = getComputedStyle(key);
      found[key.dataset.kind] = { ground: style.backgroundColor, line: style.borderTopColor, text: style.color };
    }
    const frame = getComputedStyle(element);
    found.edge = frame.borderTopColor;
    found.tie = frame.color;
    found.surface = frame.backgroundColor;
    return found;
  };
  const look = () => {
    const of = colours();
    const kinds = ["person", "known", "anonymous", "empty", "value", "device", "more"];
    return [
      { selector: "node", style: {
        shape: "round-rectangle", width: data.node_width, height: data.node_height, label: "data(says)",
        "text-wrap": "wrap", "text-max-width": data.node_width, "text-valign": "center", "text-halign": "center",
        "font-size": 11, "font-family": getComputedStyle(document.body).fontFamily, "border-width": 1.5, "line-height": 1.2,
      } },
      ...kinds.map((kind) => ({ selector: `node[kind = "${kind}"]`, style: {
        "background-color": of[kind].ground, "border-color": of[kind].line, color: of[kind].text,
      } })),
      { selector: 'node[kind = "person"]', style: { "font-weight": 700, "border-width": 3 } },
      { selector: 'node[kind = "more"], node[kind = "empty"]', style: { "border-style": "dashed" } },
      { selector: 'node[kind = "value"], node[kind = "device"]', style: { shape: "cut-rectangle" } },
      { selector: "edge", style: {
        width: 1.5, "line-color": of.edge, "curve-style": "round-taxi", "taxi-direction": "horizontal", "taxi-turn": "50%",
        "taxi-turn-min-distance": 4, "taxi-radius": 8,
      } },
      { selector: 'edge[kind = "carries"], edge[kind = "more"]', style: { "line-style": "dotted" } },
      { selector: 'edge[kind = "alias"], edge[kind = "came_from"], edge[kind = "leads_to"]', style: {
        "curve-style": "straight", "line-style": "dashed", "line-color": of.tie, "target-arrow-shape": "triangle", "target-arrow-color": of.tie,
        label: "data(says)", "font-size": 11, color: of.tie, "text-background-color": of.surface,
        "text-background-opacity": 1, "text-background-padding": 3,
      } },
      { selector: ".away", style: { opacity: 0.25 } },
      { selector: "edge.near", style: { "line-color": of.tie, width: 2.5, "z-index": 2 } },
    ];
  };

  const graph = cytoscape({
    container: element,
    elements: [
      ...data.nodes.map((one) => ({ group: "nodes", data: one, position: { x: one.x, y: one.y } })),
      ...data.edges.map((one, place) => ({ group: "edges", data: { ...one, id: `e${place}` } })),
    ],
    layout: { name: "preset", fit: false },
    style: look(),
    zoom: 1,
    pan: { x: 0, y: 0 },
    // The page scrolls, and the drawing stands in it like a picture.
    userZoomingEnabled: false,
    userPanningEnabled: false,
    boxSelectionEnabled: false,
    autoungrabify: true,
    autounselectify: true,
    pixelRatio: Math.max(1, Math.min(devicePixelRatio, Math.sqrt(PIXELS_MAX / (data.width * data.height)))),
  });
  graph.on("mouseover", "node", ({ target }) => {
    const near = target.closedNeighborhood();
    graph.elements().not(near).addClass("away");
    near.edges().addClass("near");
    element.classList.toggle("graph-pointing", target.data("path") !== "");
  });
  graph.on("mouseout", "node", () => {
    graph.elements().removeClass("away near");
    element.classList.remove("graph-pointing");
  });
  graph.on("tap", "node", ({ target }) => {
    if (target.data("path") !== "") location.assign(target.data("path"));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => graph.style(look()));
  element.dataset.drawn = String(graph.nodes().length);
})();
