// How far the running backup is; at its end the list is read anew.
const EVERY = 2000;

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
          window.location.reload();
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
