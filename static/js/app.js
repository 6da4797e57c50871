// What every page needs. Without it every page still works: forms submit, links lead on.
(() => {
  // A choice that needs no button: the button beside it is for pages without script.
  for (const select of document.querySelectorAll("select[data-submit-on-change]")) {
    select.form.querySelector("button").hidden = true;
    select.addEventListener("change", () => select.form.submit());
  }

  // A search button beside a field that searches as one types: search again at once.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-search-again]");
    if (!button) return;
    event.preventDefault();
    window.htmx.trigger(document.getElementById(button.dataset.searchAgain), "search-again");
  });

  // A button that opens a dialog.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-opens]");
    if (button) document.getElementById(button.dataset.opens).showModal();
  });

  // The server's answer to a fragment request may be an error page: say it, change nothing.
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401 || event.detail.xhr.status === 403) location.reload();
  });
})();
