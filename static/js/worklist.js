// Keys of the worklist. Without this file every row has its links and buttons all the same.
(() => {
  const table = document.getElementById("worklist");
  const dialog = document.getElementById("worklist-keys");
  const opener = document.getElementById("worklist-keys-open");
  const toggle = document.getElementById("worklist-keys-on");
  const OFF = "worklist-keys-off";
  const PLACE = "worklist-row";

  // A browser that keeps nothing still has the keys.
  const kept = (store, name, value) => {
    try {
      if (value === undefined) return store().getItem(name);
      store().setItem(name, value);
    } catch {
      /* storage is refused */
    }
    return null;
  };
  const local = () => window.localStorage;
  const session = () => window.sessionStorage;

  const links = () => (table ? [...table.querySelectorAll("tbody .row-link")] : []);
  const current = () => document.activeElement?.closest?.("#worklist tbody tr") ?? null;

  const focusAt = (place) => {
    const all = links();
    if (!all.length) return;
    const link = all[Math.min(Math.max(place, 0), all.length - 1)];
    link.focus();
    link.closest("tr").scrollIntoView({ block: "nearest" });
  };

  const move = (step) => {
    const row = current();
    const place = row ? links().indexOf(row.querySelector(".row-link")) + step : step > 0 ? 0 : -1;
    if (row || step > 0) focusAt(place);
  };

  // Only on the row that has the focus: nothing is judged that nobody looks at.
  const press = (...selectors) => {
    const row = current();
    if (!row) return;
    for (const selector of selectors) {
      const target = row.querySelector(selector);
      if (target) return target.click();
    }
  };

  const keys = {
    j: () => move(1),
    k: () => move(-1),
    o: () => press(".row-link"),
    a: () => press("[data-approve]", "[data-contest]"),
    c: () => press("[data-contest]"),
    x: () => press("input[name=radiograph]"),
    "?": () => dialog.showModal(),
  };

  const typing = (target) =>
    target.isContentEditable || Boolean(target.closest?.("textarea, select, input:not([type=checkbox])"));

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat && !"jk".includes(event.key)) return;
    if (event.defaultPrevented || dialog.open || !toggle.checked || typing(event.target)) return;
    const act = Object.hasOwn(keys, event.key) ? keys[event.key] : null;
    if (!act) return;
    event.preventDefault();
    act();
  });

  // The button that was pressed is gone with the old row: the row keeps the focus.
  document.addEventListener("htmx:afterSettle", (event) => {
    const row = event.detail.elt?.closest?.("#worklist tbody tr");
    if (row && document.activeElement === document.body) row.querySelector(".row-link").focus();
  });

  // All on the page: a box that is ticked, empty, or half.
  const all = document.getElementById("worklist-all-box");
  const boxes = () => [...table.querySelectorAll("input[name=radiograph]")];
  const count = () => {
    const ticked = boxes().filter((box) => box.checked).length;
    all.checked = ticked > 0 && ticked === boxes().length;
    all.indeterminate = ticked > 0 && !all.checked;
  };
  if (all) {
    document.getElementById("worklist-all").hidden = false;
    all.addEventListener("change", () => {
      for (const box of boxes()) box.checked = all.checked;
      count();
    });
    table.addEventListener("change", count);
    count();
  }

  opener.hidden = false;
  opener.addEventListener("click", () => dialog.showModal());
  toggle.checked = kept(local, OFF) !== "1";
  toggle.addEventListener("change", () => kept(local, OFF, toggle.checked ? "0" : "1"));

  // Back from a reading: at its row, or at the one that took its place.
  const remember = (event) => {
    const row = event.target.closest?.("#worklist tbody tr");
    if (row) kept(session, PLACE, String([...row.parentNode.children].indexOf(row)));
  };
  document.addEventListener("click", remember);
  const place = kept(session, PLACE);
  // Where the row is still there, the browser itself gives its link the focus.
  if (/^#open-/.test(location.hash) && !document.getElementById(location.hash.slice(1)) && place) {
    focusAt(Number(place));
  }
})();
