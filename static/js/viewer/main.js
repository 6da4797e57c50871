// Puts a viewer over every preview that has one, at the start and after htmx has brought
// another. Without script, or where something here fails, the preview stays what it is.

import { fetchPixels } from "./pixels.js";
import { connectToolbar } from "./toolbar.js";
import { Viewer } from "./viewer.js";

// Milliseconds between questions for pixels that are not there yet: a reading that has just
// ended keeps them a moment later by itself; after that the worker is asked for them.
const WAITS = [400, 800, 1500, 2000, 2000, 3000, 3000, 5000, 5000, 5000, 10000, 10000, 10000];
const ASK_AFTER = 2;

const words = (figure) => figure.querySelector("[data-viewer-words]").dataset;

async function pixelsReady(figure) {
  if (figure.dataset.depthReady === "true") return true;
  const url = figure.dataset.depthState;
  for (const [count, wait] of WAITS.entries()) {
    await new Promise((done) => setTimeout(done, wait));
    if (!figure.isConnected) return false;
    const asking = count === ASK_AFTER;
    if (asking) note(figure, words(figure).preparing);
    const response = await fetch(url, asking
      ? { method: "POST", headers: { "X-CSRFToken": figure.dataset.csrf } }
      : { headers: { Accept: "application/json" } });
    if (!response.ok) return false;
    if ((await response.json()).ready) return true;
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
