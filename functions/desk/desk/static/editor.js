"use strict";

// The editor of weights: bars, the sum, undo, paste from a spreadsheet. Without this script the form works as well.
document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("plan");
  if (!form) return;
  const decimal = form.dataset.decimal;
  const total = document.getElementById("total");
  const inputs = [...form.querySelectorAll("input.weight")];
  const fields = [...inputs, ...form.querySelectorAll("details input, [data-kept]")];
  const buttons = Object.fromEntries([...form.querySelectorAll("[data-do]")].map((each) => [each.dataset.do, each]));
  const past = [];
  let future = [];

  const read = (text) => {
    const plain = text.replace("%", "").trim().replace(",", ".");
    return plain === "" ? 0 : /^\d+(\.\d+)?$/.test(plain) ? Number(plain) : NaN;
  };
  const write = (value, places = 4) => String(Number(value.toFixed(places))).replace(".", decimal);
  const values = () => fields.map((field) => field.value);

  function draw() {
    const numbers = inputs.map((input) => read(input.value));
    const highest = Math.max(1, ...numbers.filter(Number.isFinite), ...inputs.map((input) => read(input.dataset.inForce)));
    let sum = 0;
    inputs.forEach((input, place) => {
      const number = numbers[place];
      const wrong = !Number.isFinite(number) || number > 100;
      input.setAttribute("aria-invalid", String(wrong));
      const row = input.closest("tr");
      row.classList.toggle("changed", input.value.trim() !== "" && number !== read(input.dataset.inForce));
      row.querySelector(".fill").setAttribute("width", wrong ? 0 : (100 * number) / highest);
      const was = input.dataset.inForce === "" ? 0 : (100 * read(input.dataset.inForce)) / highest;
      const marker = row.querySelector(".was");
      marker.setAttribute("width", input.dataset.inForce === "" ? 0 : 0.8);
      marker.setAttribute("x", Math.max(0, was - 0.8));
      sum += wrong ? 0 : number;
    });
    const over = Math.round((sum - 100) * 1e8) / 1e8;
    total.textContent = over > 0 ? `${write(sum)} %: ${write(over)} % too much` : `${write(sum)} %, ${write(-over)} % left`;
    total.classList.toggle("over", over > 0);
    buttons.undo.disabled = past.length < 2;
    buttons.redo.disabled = future.length === 0;
  }

  function restore(snapshot) {
    fields.forEach((field, place) => { field.value = snapshot[place]; });
    draw();
    rehearse();
  }

  function remember() {
    const now = values();
    if (past.length && past[past.length - 1].every((value, place) => value === now[place])) return;
    past.push(now);
    future = [];
    draw();
  }

  let timer = 0;
  function rehearse() {
    clearTimeout(timer);
    timer = setTimeout(() => htmx.trigger(form, "rehearse"), 700);
  }

  function undo() {
    if (past.length < 2) return;
    future.push(past.pop());
    restore(past[past.length - 1]);
  }

  function redo() {
    if (!future.length) return;
    past.push(future.pop());
    restore(past[past.length - 1]);
  }

  // In units of 0.0001 %, so that the sum is exactly 100 %: what rounding leaves goes to the first ones.
  function scale() {
    const given = inputs.filter((input) => read(input.value) > 0);
    const sum = given.reduce((all, input) => all + read(input.value), 0);
    if (sum <= 0) return;
    const units = given.map((input) => Math.floor((read(input.value) / sum) * 1e6));
    let left = 1e6 - units.reduce((all, unit) => all + unit, 0);
    given.forEach((input, place) => { input.value = write((units[place] + (left-- > 0 ? 1 : 0)) / 1e4); });
    remember();
    rehearse();
  }

  // Rows of a spreadsheet: a name or an e-mail, and in the last column the weight. Without names: from this row on.
  function paste(event) {
    const text = event.clipboardData.getData("text");
    if (!/[\t\n]/.test(text.trim())) return;
    event.preventDefault();
    const rows = text.trim().split(/\r?\n/).map((line) => line.split("\t").map((cell) => cell.trim()));
    const byName = new Map();
    inputs.forEach((input) => {
      const { name, email } = input.closest("tr").dataset;
      for (const key of [name, email]) if (key) byName.set(key.toLowerCase(), byName.has(key.toLowerCase()) ? null : input);
    });
    const problems = [];
    let place = inputs.indexOf(event.target);
    for (const cells of rows) {
      const weight = cells[cells.length - 1];
      const keys = cells.slice(0, -1).map((cell) => cell.toLowerCase());
      const input = keys.length ? keys.map((key) => byName.get(key)).find(Boolean) : inputs[place++];
      if (!input) problems.push(`${cells.slice(0, -1).join(" ") || weight}: not taken over: no member of this queue, or several`);
      else if (!Number.isFinite(read(weight))) problems.push(`${cells.join(" ")}: not taken over: “${weight}” is no number`);
      else input.value = weight.replace("%", "").trim().replace(/[.,]/, decimal);
    }
    const items = problems.map((problem) => Object.assign(document.createElement("li"), { textContent: problem }));
    document.getElementById("unmatched").replaceChildren(...items);
    remember();
    rehearse();
  }

  // A named plan: its page has the values, and this page takes them over, so that they can be undone.
  async function fill(event) {
    const link = event.target.closest("[data-fill]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const answer = await fetch(link.href);
    const there = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok || !there.getElementById("plan")) {
      location.assign(link.href);
      return;
    }
    for (const field of fields) {
      const other = there.querySelector(`#plan [name="${CSS.escape(field.name)}"]`);
      field.value = other ? other.value : "";
    }
    form.elements.name.value = link.textContent;
    remember();
    rehearse();
  }

  // What was typed survives an expired sign-in and a closed page, in this tab only. The page of a record ends it.
  const typed = () => [...fields, ...form.querySelectorAll("[name=reason], [name=until], [name=name]")];
  const draft = `draft:${location.pathname.replace(/\/(apply|plans|edit)$/, "")}`;
  const lost = sessionStorage.getItem(draft);
  const offer = document.getElementById("draft");
  if (lost && lost !== JSON.stringify(typed().map((field) => field.value))) {
    offer.hidden = false;
    offer.querySelector("button").addEventListener("click", () => {
      const before = JSON.parse(lost);
      typed().forEach((field, place) => { field.value = before[place] ?? field.value; });
      offer.hidden = true;
      remember();
      rehearse();
    });
  }
  const store = () => sessionStorage.setItem(draft, JSON.stringify(typed().map((field) => field.value)));
  form.addEventListener("input", store);
  form.addEventListener("submit", store);

  for (const part of form.querySelectorAll(".scripted")) part.hidden = false;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  form.elements.zone.value = zone;
  document.getElementById("zone").textContent = `in ${zone}. Empty: the plan does not expire.`;
  form.addEventListener("input", (event) => {
    if (event.target.classList.contains("weight")) draw();
    if (event.target.classList.contains("weight") || event.target.closest("details")) rehearse();
  });
  form.addEventListener("change", (event) => fields.includes(event.target) && remember());
  form.addEventListener("paste", (event) => event.target.classList.contains("weight") && paste(event));
  form.addEventListener("click", fill);
  form.addEventListener("submit", (event) => {
    if (!event.submitter || !event.submitter.formAction.endsWith("/preview")) return;
    event.preventDefault();
    htmx.trigger(form, "rehearse");
  });
  form.addEventListener("keydown", (event) => {
    if (!event.target.classList.contains("weight")) return;
    const place = inputs.indexOf(event.target);
    if (event.key === "ArrowDown" || event.key === "ArrowUp" || event.key === "Enter") {
      event.preventDefault();
      (inputs[place + (event.key === "ArrowUp" ? -1 : 1)] || event.target).focus();
    } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      remember();
      (event.shiftKey ? redo : undo)();
    }
  });
  buttons.undo.addEventListener("click", undo);
  buttons.redo.addEventListener("click", redo);
  buttons.scale.addEventListener("click", scale);
  remember();
  draw();
});
