/** A line without axes: how something went of late. */
export function Spark({ values }: { values: number[] }) {
  if (values.length < 2) return <svg class="spark" aria-hidden="true" />;
  const max = Math.max(...values, 0.001);
  const step = 100 / (values.length - 1);
  const line = values.map((v, i) => `${(i * step).toFixed(1)},${(22 - (v / max) * 20).toFixed(1)}`).join("L");
  return (
    <svg class="spark" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true">
      <path class="area" d={`M0,24L${line}L100,24Z`} />
      <path d={`M${line}`} />
    </svg>
  );
}
