// Asks the server, at a calm pace and only while the page is seen, what there is to tell.
(() => {
  const PAUSE = 15_000;
  const MOST = 3;
  const toasts = document.getElementById("toasts");
  if (!toasts) return;

  let asked = 0;
  const ask = () => {
    if (document.hidden || !navigator.onLine || Date.now() - asked < PAUSE / 2) return;
    asked = Date.now();
    window.htmx.trigger(toasts, "notices");
  };
  // Whoever passes through a page asks nothing.
  setTimeout(ask, 2000);
  setInterval(ask, PAUSE);
  document.addEventListener("visibilitychange", ask);

  // The focus goes back to where it was before it came to the news that are dismissed.
  let before = null;
  toasts.addEventListener("focusin", (event) => {
    if (event.relatedTarget && !toasts.contains(event.relatedTarget)) before = event.relatedTarget;
  });
  toasts.addEventListener("click", (event) => {
    const toast = event.target.closest("[data-toast-close]")?.closest("[data-toast]");
    if (!toast) return;
    toast.remove();
    const next = toasts.querySelector("[data-toast-close]") ?? before;
    (next?.isConnected ? next : document.getElementById("main")).focus({ preventScroll: true });
  });
  toasts.addEventListener("htmx:afterSwap", () => {
    const all = [...toasts.querySelectorAll("[data-toast]")];
    for (const old of all.slice(0, -MOST)) if (!old.contains(document.activeElement)) old.remove();
  });
})();
