// How far the running backup is; at its end the list is read anew. Not the page: its
// message ("The backup is queued") is given once, and a quick backup would take it away
// before it is read.
const EVERY = 2000;
const RENEWED = [".backups", "#changelist-form"];

async function renew() {
  const answer = await fetch(window.location.href, { headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const parts = RENEWED.map((part) => [document.querySelector(part), page.querySelector(part)]);
  if (parts.every(([old, fresh]) => old && fresh)) {
    parts.forEach(([old, fresh]) => old.replaceWith(fresh));
  } else {
    // Signed out meanwhile, or a page of a fault.
    window.location.reload();
  }
}

function begin() {
  const place = document.querySelector("[data-backup-progress]");
  if (!place) return;
  const step = place.querySelector("[data-step]");
  const bar = place.querySelector("progress");

  async function look() {
    try {
      const answer = await fetch(place.dataset.backupProgress, { headers: { accept: "application/json" } });
      if (answer.ok) {
        const now = await answer.json();
        if (!now.running) {
          await renew();
          return;
        }
        step.textContent = now.step ? `${now.state}: ${now.step}` : now.state;
        if (now.total) {
          bar.max = now.total;
          bar.value = now.done;
        } else {
          bar.removeAttribute("value");
        }
      }
    } catch {
      // The next look may succeed.
    }
    window.setTimeout(look, EVERY);
  }
  look();
}

document.addEventListener("DOMContentLoaded", begin);
