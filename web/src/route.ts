/** Where in the page somebody is: it stands behind the # of the address, so that it can be sent to others. */
import { computed, signal } from "@preact/signals";

const hash = signal(location.hash);
window.addEventListener("hashchange", () => (hash.value = location.hash));

/** The parts of `#/tables/bronze.orders`, decoded. */
export const route = computed(() => {
  const [path] = hash.value.replace(/^#\/?/, "").split("?");
  return path.split("/").filter(Boolean).map(decode);
});

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const link = (...parts: string[]) => "#/" + parts.map(encodeURIComponent).join("/");
export const go = (...parts: string[]) => (location.hash = link(...parts));
