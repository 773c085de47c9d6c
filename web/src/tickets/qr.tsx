/** A QR code, drawn in the page: no picture is fetched, and it prints and scales sharply. */
import { useEffect, useState, type ReactNode } from 'react';

/** One path of all dark squares: `M x y h length`, row by row. */
export function pathOf(modules: readonly (readonly boolean[])[]): string {
  return modules
    .flatMap((row, y) => {
      const runs: string[] = [];
      for (let x = 0; x < row.length; x += 1) {
        if (row[x] !== true) continue;
        let end = x;
        while (row[end] === true) end += 1;
        runs.push(`M${x} ${y}h${end - x}v1h-${end - x}z`);
        x = end;
      }
      return runs;
    })
    .join('');
}

/** Quiet zone in modules. ISO/IEC 18004 asks for four. */
const BORDER = 4;

/** `label`: what it is, for those who do not see it. */
export function QrCode({ text, label }: { readonly text: string; readonly label: string }): ReactNode {
  const [modules, setModules] = useState<readonly (readonly boolean[])[] | null>(null);
  useEffect(() => {
    let isWanted = true;
    // Loaded only where a code is shown.
    void import('qr').then(({ encodeQR }) => {
      if (isWanted) setModules(encodeQR(text, 'raw', { ecc: 'medium', border: BORDER }));
    });
    return () => {
      isWanted = false;
    };
  }, [text]);
  const size = modules?.length ?? 1;
  return (
    <svg
      className="qr"
      viewBox={`0 0 ${size} ${size}`}
      role="img"
      aria-label={label}
      shapeRendering="crispEdges"
    >
      <rect width={size} height={size} fill="#fff" />
      {modules && <path d={pathOf(modules)} fill="#000" />}
    </svg>
  );
}
