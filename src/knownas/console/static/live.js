// Follows the live stream: asks the page behind the link "Newer lines" once a second, and takes its lines. Without it the link is there.
"use strict";

(() => {
  const EVERY_MS = 1000;
  const MORE_WAIT_MS = 200;
  const PATIENCE_MS = 10000;
  const PAUSE_MS_MAX = 30000;
  const SAID_EVERY_MS = 10000;

  const of = (name) => document.getElementById(`live-${name}`);
  const stage = document.getElementById("live");
  const list = of("lines");
  const rowsMost = Number(stage.dataset.most);
  const number = new Intl.NumberFormat("en");
  let next = stage.dataset.next;
  let held = false;
  let failures = 0;
  let missed = Number(stage.dataset.missed);
  let gone = 0;
  let fresh = 0;
  let refused = 0;
  let saidAt = 0;
  let timer = 0;
  let asking = false;

  const lines = (count, says) => `${number.format(count)} ${count === 1 ? "line" : "lines"} ${says}`;

  const tell = (state, kind, waits = "") => {
    of("state").textContent = state;
    of("state").className = `badge badge-${kind}`;
    of("waits").textContent = waits;
  };

  // Once in a while, and in one sentence: a reader who hears the page must not hear every line.
  const say = () => {
    if (fresh === 0 || Date.now() - saidAt < SAID_EVERY_MS) return;
    of("said").textContent = `${number.format(fresh)} new ${fresh === 1 ? "line" : "lines"}` + (refused ? `, ${number.format(refused)} refused` : "");
    saidAt = Date.now();
    fresh = refused = 0;
  };

  const put = (line) => {
    let older = list.firstElementChild;
    while (older !== null && Number(older.dataset.at) > Number(line.dataset.at)) older = older.nextElementSibling;
    list.insertBefore(document.importNode(line, true), older);
    fresh += 1;
    if ("refused" in line.dataset) refused += 1;
  };

  const take = (page) => {
    for (const line of [...page.querySelectorAll("#live-lines > li")].reverse()) put(line);
    for (; list.childElementCount > rowsMost; gone += 1) list.lastElementChild.remove();
    if (list.childElementCount > 0) of("empty").hidden = true;
    of("gone").hidden = gone === 0;
    of("gone").textContent = `The page keeps the newest ${number.format(rowsMost)} lines; ${lines(gone, gone === 1 ? "has left it." : "have left it.")}`;
    const waiting = Number(page.dataset.waiting);
    const lost = Number(page.dataset.missed);
    if (held) {
      tell("Paused", "warn", lines(waiting, waiting === 1 ? "waits" : "wait"));
    } else {
      missed += lost;
      next = page.dataset.next;
      tell("Following", "good", waiting ? lines(waiting, "to come") : "");
    }
    const all = missed + (held ? lost : 0);
    of("missed").hidden = all === 0;
    of("missed").textContent = lines(all, `came faster than they were looked at, and ${all === 1 ? "is" : "are"} not remembered any more.`);
    say();
    return held || waiting === 0 ? EVERY_MS : MORE_WAIT_MS;
  };

  const look = async () => {
    const address = new URL(next, location.href);
    const asked = held;
    if (asked) address.searchParams.set("held", "1");
    const answer = await fetch(address, {
      headers: { Accept: "text/html", "HX-Request": "true" },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (answer.status === 401 || answer.status === 403) {
      // Signed out, or another role by now: the page itself says so.
      location.reload();
      return PAUSE_MS_MAX;
    }
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    if (page === null) throw new Error("another page");
    failures = 0;
    return asked === held ? take(page) : 0;
  };

  const follow = async () => {
    if (asking || document.hidden) return;
    asking = true;
    clearTimeout(timer);
    let pause;
    try {
      pause = await look();
    } catch {
      failures += 1;
      pause = Math.min(EVERY_MS * 2 ** failures, PAUSE_MS_MAX);
      tell("No answer", "bad", `Trying again in ${pause / 1000} seconds.`);
    }
    asking = false;
    timer = setTimeout(follow, pause);
  };

  of("hold").addEventListener("click", () => {
    held = !held;
    of("hold").textContent = held ? "Go on" : "Pause";
    tell(held ? "Paused" : "Following", held ? "warn" : "good");
    of("said").textContent = held ? "Paused." : "Going on.";
    saidAt = Date.now();
    follow();
  });
  document.addEventListener("visibilitychange", follow);
  of("hold").hidden = false;
  stage.classList.add("live-following");
  tell("Following", "good");
  follow();
})();
