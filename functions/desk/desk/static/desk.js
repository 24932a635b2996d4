"use strict";

// Times are UTC in the page. Show them as this browser's user reads them.
function localTimes(part) {
  const format = new Intl.DateTimeFormat(navigator.languages, { dateStyle: "short", timeStyle: "short" });
  for (const time of part.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      time.title = time.dateTime;
      time.textContent = format.format(at);
    }
  }
}

document.addEventListener("htmx:load", (event) => localTimes(event.detail.elt));

// What was typed in an editor is on its way once there is a record of it: see editor.js.
document.addEventListener("DOMContentLoaded", () => {
  if (document.getElementById("record")) sessionStorage.clear();
});

// Without a network nothing is sent: the page says so, and what was typed stays.
function showNetwork() {
  document.getElementById("offline").hidden = navigator.onLine;
}

for (const event of ["online", "offline", "DOMContentLoaded"]) window.addEventListener(event, showNetwork);
document.addEventListener("htmx:sendError", () => { document.getElementById("offline").hidden = false; });
document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) showNetwork(); });
document.addEventListener("submit", (event) => {
  if (navigator.onLine) return;
  event.preventDefault();
  showNetwork();
}, true);
