// Two viewers on one page go together once both are there; without that each is by itself.

import { Link } from "./viewer/link.js";

const figures = [...document.querySelectorAll("[data-compare] .viewer")];
const bar = document.querySelector("[data-compare-bar]");

function begin() {
  if (!bar.hidden || figures.length !== 2 || !figures.every((figure) => figure.viewer)) return;
  const link = new Link(figures.map((figure) => figure.viewer));
  const box = bar.querySelector("[data-compare-link]");
  box.checked = true;
  box.addEventListener("change", () => (box.checked ? link.join() : link.part()));
  bar.querySelector("[data-compare-reset]").addEventListener("click", () => {
    link.part();
    for (const figure of figures) figure.querySelector("[data-viewer-act=reset]").click();
    link.join();
    box.checked = true;
  });
  bar.hidden = false;
  bar.dataset.compareBar = "ready";
}

document.addEventListener("viewer:ready", begin);
begin();
