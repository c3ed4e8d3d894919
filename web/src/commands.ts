/** Commands that somebody can type as they stand: they name the server that this page is from. */

/** `127.0.0.1:7117`, or `https://events.example:443`: what `--server` takes. */
export function serverAddress(): string {
  const secure = location.protocol === "https:";
  return `${secure ? "https://" : ""}${location.hostname}:${location.port || (secure ? 443 : 80)}`;
}

export const onServer = (command: string) => `sluice --server ${serverAddress()} ${command}`;

/** A topic from nothing: events made up, a schema for them, both given to this server. */
export const firstTopic = () => [
  "sluice generate shop --count 100 --bare > events.ndjson",
  "sluice schema infer events.ndjson --topic shop.user-events > shop.capnp",
  onServer("schema add shop.capnp"),
  onServer("send events.ndjson --topic shop.user-events"),
];

/** Made by the schema of the topic, which lies in the project's folder. */
export const madeUp = (topic: string) => `sluice generate ${topic} --count 10 | ${onServer("send -")}`;
