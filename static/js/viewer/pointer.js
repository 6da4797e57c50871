// Mouse, pen and fingers on the pane. One finger or the left button does what the tool
// does; two fingers, or another button, zoom and move whatever the tool.

// The pane owns what a drag means: ``viewer.begin``, ``viewer.drag``, ``viewer.end``,
// ``viewer.hover``, ``viewer.move``, ``viewer.zoom``.
export function followPointers(pane, viewer) {
  const down = new Map();
  let other = false;
  const place = (event) => {
    const box = pane.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const middle = () => {
    const all = [...down.values()];
    return all[0].map((_, axis) => all.reduce((sum, point) => sum + point[axis], 0) / all.length);
  };
  const spread = () => {
    const [a, b] = [...down.values()];
    return Math.hypot(a[0] - b[0], a[1] - b[1]);
  };

  pane.addEventListener("pointerdown", (event) => {
    // A first touch only chooses the image: until then fingers scroll the page.
    const chosen = viewer.isChosen();
    pane.focus({ preventScroll: true });
    if (event.pointerType === "touch" && !chosen) return;
    pane.setPointerCapture(event.pointerId);
    down.set(event.pointerId, place(event));
    other = event.button > 0 || down.size > 1;
    if (other) viewer.end(true);
    else viewer.begin(place(event));
  });

  pane.addEventListener("pointermove", (event) => {
    const to = place(event);
    const from = down.get(event.pointerId);
    if (!from) {
      viewer.hover(event.pointerType === "touch" ? null : to);
      return;
    }
    if (!other) {
      down.set(event.pointerId, to);
      viewer.drag(from, to);
      return;
    }
    const before = middle(), wide = down.size > 1 ? spread() : 0;
    down.set(event.pointerId, to);
    const after = middle();
    viewer.move(after[0] - before[0], after[1] - before[1]);
    if (wide > 0) viewer.zoom(spread() / wide, after);
  });

  for (const name of ["pointerup", "pointercancel"]) {
    pane.addEventListener(name, (event) => {
      if (!down.delete(event.pointerId)) return;
      if (!other) viewer.end(name === "pointercancel");
      // Of two fingers one may stay: it goes on moving the image.
    });
  }
  pane.addEventListener("pointerleave", () => viewer.hover(null));
  pane.addEventListener("contextmenu", (event) => event.preventDefault());
  pane.addEventListener("wheel", (event) => {
    // On a page that scrolls, the wheel is the page's until the image has been chosen.
    if (!viewer.isChosen()) return;
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    viewer.zoom(Math.exp(-0.0015 * lines * event.deltaY), place(event));
  }, { passive: false });
}
