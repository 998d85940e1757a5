// Keeps a page fresh without taking anything from the hands of the person who uses it, and counts down.
"use strict";

const REFRESH_MS = 5000;
const words = document.documentElement.dataset;

function writeSpan(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const parts = { h: Math.floor(whole / 3600), m: Math.floor((whole % 3600) / 60), s: whole % 60 };
  const form = parts.h ? words.textHours : parts.m ? words.textMinutes : words.textSeconds;
  return form.replace(/@([hms])/g, (_, unit) => parts[unit]);
}

function tick() {
  for (const time of document.querySelectorAll("time[data-countdown]")) {
    const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
    time.textContent = seconds > 0 ? words.textIn.replace("@", writeSpan(seconds)) : words.textNow;
  }
}

function isInUse(region) {
  const selection = document.getSelection();
  if (selection && !selection.isCollapsed && region.contains(selection.anchorNode)) return true;
  const fields = [...region.querySelectorAll("textarea, input:not([type=hidden])")];
  return fields.some((field) => field === document.activeElement || field.value !== field.defaultValue);
}

function replace(region, fresh) {
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  const scrolled = [...region.querySelectorAll(".wide, pre")].map((box) => box.scrollLeft);
  region.replaceWith(fresh);
  [...fresh.querySelectorAll(".wide, pre")].forEach((box, place) => { box.scrollLeft = scrolled[place] || 0; });
  if (!focused) return;
  const href = focused.getAttribute("href");
  const again = focused.id ? document.getElementById(focused.id)
    : href && [...fresh.querySelectorAll("a")].find((link) => link.getAttribute("href") === href);
  if (again) again.focus({ preventScroll: true });
}

function refreshList(list, fresh) {
  const wanted = [...fresh.children];
  for (const item of [...list.children]) {
    if (!wanted.some((other) => other.id === item.id) && !isInUse(item)) item.remove();
  }
  for (const item of wanted) {
    if (!item.id || !document.getElementById(item.id)) list.append(item.cloneNode(true));
  }
}

function show(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  if (!fresh.querySelector("[data-live]")) { location.reload(); return; } // logged out
  document.title = fresh.title;
  const list = document.querySelector("[data-live-list]");
  const freshList = fresh.querySelector("[data-live-list]");
  if (list && freshList) refreshList(list, freshList);
  for (const region of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(region.id);
    if (other && !isInUse(region)) replace(region, document.importNode(other, true));
  }
  tick();
}

async function refresh() {
  if (document.hidden) return;
  const lost = document.getElementById("lost");
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    show(await answer.text());
    lost.hidden = true;
  } catch {
    lost.hidden = false;
  }
}

if (document.querySelector("[data-live]")) {
  setInterval(tick, 1000);
  tick();
  const again = () => refresh().finally(() => setTimeout(again, REFRESH_MS));
  setTimeout(again, REFRESH_MS);
  document.addEventListener("visibilitychange", refresh);
}
