// Puts a viewer over every preview that has one, at the start and after htmx has brought
// another. Without script, or where something here fails, the preview stays what it is.

import { fetchPixels } from "./pixels.js";
import "./region.js";
import { connectToolbar } from "./toolbar.js";
import { Viewer } from "./viewer.js";

// The worker makes the pixels when they are first asked for. Milliseconds before each question
// whether they are there.
const WAITS = [250, 250, 500, 1000, 1000, 2000, 2000, 3000, 3000, 5000, 5000, 10000, 10000, 10000];
// After so many questions the page says what it waits for.
const SAY_AFTER = 3;

const words = (figure) => figure.querySelector("[data-viewer-words]").dataset;

async function pixelsReady(figure) {
  if (figure.dataset.depthReady === "true") return true;
  const url = figure.dataset.depthState;
  const ask = async (options) => {
    const response = await fetch(url, options);
    if (!response.ok) throw new Error(`full depth: ${response.status}`);
    return (await response.json()).ready;
  };
  if (await ask({ method: "POST", headers: { "X-CSRFToken": figure.dataset.csrf } })) return true;
  for (const [count, wait] of WAITS.entries()) {
    await new Promise((done) => setTimeout(done, wait));
    if (!figure.isConnected) return false;
    if (count === SAY_AFTER) note(figure, words(figure).preparing);
    if (await ask({ headers: { Accept: "application/json" } })) return true;
  }
  return false;
}

function note(figure, text) {
  const line = figure.querySelector("[data-viewer-note]");
  line.textContent = text;
  line.hidden = !text;
}

async function mount(figure) {
  figure.dataset.viewer = "waiting";
  try {
    if (!(await pixelsReady(figure))) throw new Error("full depth: not there");
    const pixels = await fetchPixels(figure.dataset.depth);
    const map = figure.querySelector(".viewer-map");
    if (map) map.loading = "eager";
    const pane = figure.querySelector("[data-viewer-pane]");
    for (const part of figure.querySelectorAll("[data-viewer-part]")) part.hidden = false;
    const viewer = new Viewer(pane, pixels, {
      map, always: figure.dataset.always === "true", language: document.documentElement.lang,
    });
    note(figure, "");
    connectToolbar(figure, viewer);
    figure.viewer = viewer;
    figure.dataset.viewer = "ready";
    figure.dispatchEvent(new CustomEvent("viewer:ready", { bubbles: true, detail: viewer }));
  } catch (error) {
    if (!figure.isConnected) return;
    for (const part of figure.querySelectorAll("[data-viewer-part]")) part.hidden = true;
    note(figure, words(figure).unavailable);
    figure.dataset.viewer = "failed";
    console.info(error);
  }
}

function mountAll() {
  for (const figure of document.querySelectorAll("[data-depth]:not([data-viewer])")) mount(figure);
}

mountAll();
document.addEventListener("htmx:load", mountAll);
