// Chooses and orders the patients of the contact sheet; without it the page shows all, the most doubtful first.
const tools = document.getElementById("tools");
const list = document.getElementById("patients");
const patients = Array.from(list.children);
const field = (name) => document.getElementById(name);
const chosen = (name) => field(name)?.value ?? "";
const orders = {
  doubt: (a, b) => a.dataset.rank - b.dataset.rank,
  table: (a, b) => a.dataset.place - b.dataset.place,
  id: (a, b) => a.dataset.id.localeCompare(b.dataset.id, "en", { numeric: true }),
  center: (a, b) => a.dataset.center.localeCompare(b.dataset.center, "en", { numeric: true }) || orders.doubt(a, b),
};
const visible = () => Array.from(list.children).filter((patient) => !patient.hidden);

function choose() {
  const wanted = chosen("find").trim().toLowerCase();
  for (const patient of patients) {
    const { state, center, role, codes, id } = patient.dataset;
    patient.hidden =
      (chosen("state") && !chosen("state").split(" ").includes(state)) ||
      (chosen("center") && chosen("center") !== center) ||
      (chosen("role") && chosen("role") !== role) ||
      (chosen("code") && !codes.split(" ").includes(chosen("code"))) ||
      !id.toLowerCase().includes(wanted);
  }
  field("shown").textContent = `${visible().length} of ${patients.length} patients`;
}

function move(step) {
  const shown = visible();
  const now = shown.indexOf(document.activeElement.closest?.(".patient"));
  const next = shown[now < 0 ? (step > 0 ? 0 : shown.length - 1) : now + step];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest" });
}

function outline() {
  list.classList.toggle("bare", !field("lines").checked);
}

for (const name of ["state", "center", "role", "code"]) field(name)?.addEventListener("change", choose);
field("find").addEventListener("input", choose);
field("order").addEventListener("change", () => list.append(...patients.sort(orders[chosen("order")])));
field("lines").addEventListener("change", outline);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName)) return;
  if (event.key === "j") move(1);
  if (event.key === "k") move(-1);
  if (event.key === "o") {
    field("lines").checked = !field("lines").checked;
    outline();
  }
});
tools.hidden = false;
choose();
