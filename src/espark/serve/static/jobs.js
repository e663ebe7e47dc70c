// Jobs: what runs, what waits, what came out; the server sends each change.

import { send } from "./api.js";
import { fill, h, percent, say, state } from "./dom.js";

let jobs = [];
const listeners = new Set();

export function watchJobs(listener) {
  listeners.add(listener);
  const source = new EventSource("/api/jobs/events");
  source.onmessage = (event) => {
    const before = new Map(jobs.map((job) => [job.id, job.state]));
    jobs = JSON.parse(event.data);
    for (const job of jobs) tell(before.get(job.id), job);
    for (const one of listeners) one(jobs);
  };
}

function tell(before, job) {
  if (!before || before === job.state) return;
  const what = { rerun: "Running again", "new-patient": "Preparing" }[job.kind];
  if (job.state === "done") say(`${what}: ${job.patient_id} is done.`);
  if (job.state === "failed") say(`${what}: ${job.patient_id} failed. ${job.error}`, "error");
}

export function onJobs(listener) {
  listeners.add(listener);
  listener(jobs);
  return () => listeners.delete(listener);
}

export const latestJob = (all, id, kind) => all.find((job) => job.patient_id === id && job.kind === kind);

const KINDS = { rerun: "run again", "new-patient": "new patient" };

export function jobsPage(content) {
  const place = h("div", {});
  fill(content, h("section", { class: "page" }, h("h1", {}, "Jobs"), h("p", { class: "muted" }, "One job runs at a time; the others wait in this order. A job that is interrupted begins once more."), place));
  return onJobs((all) => {
    if (!all.length) { fill(place, state("empty", "Nothing was asked for yet. Correct a region and run the case again, or add a new patient.")); return; }
    fill(place, h("div", { class: "scroll" }, h("table", { class: "list" },
      h("thead", {}, h("tr", {}, ["Job", "Patient", "What", "State", "Step", "Asked for", "Cancel"].map((one) => h("th", { scope: "col" }, one)))),
      h("tbody", {}, all.map((job) => h("tr", {}, h("td", { class: "num" }, job.id), h("th", { scope: "row" }, h("a", { href: `#/case/${encodeURIComponent(job.patient_id)}` }, job.patient_id)),
        h("td", {}, KINDS[job.kind] ?? job.kind), h("td", {}, h("span", { class: `work ${job.state}` }, job.state)),
        h("td", {}, job.state === "running" ? [job.step, " ", h("progress", { max: "1", value: String(job.progress) }), left(job)] : job.error || outcome(job.result)),
        h("td", {}, `${new Date(job.asked_at).toLocaleString()} ${job.asked_by}`),
        h("td", {}, ["running", "waiting"].includes(job.state) ? h("button", { onclick: () => send("POST", `/api/jobs/${job.id}/cancel`).catch((error) => say(error.message, "error")) }, "Cancel") : ""))))))
    );
  });
}

/** What came out, in a few words. */
function outcome(result) {
  const word = ({ answer }) => (answer.withheld ? `${answer.headline} (withheld)` : `${answer.headline}, ${percent(answer.probability)}`);
  return result.after ? `${word(result.before)} → ${word(result.after)}` : result.headline || result.none || "";
}

/** Time left in the step that runs, from its share. */
function left(job) {
  if (job.progress < 0.1 || !job.started_at) return "";
  const seconds = ((Date.now() - new Date(job.started_at)) / 1000 / job.progress) * (1 - job.progress);
  return ` about ${seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`} left`;
}
