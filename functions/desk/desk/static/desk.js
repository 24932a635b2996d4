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
