/** Puts an input on the wire, with what its names stand for. */
import type { Input } from './inputs.js';
import type { Connection, Delivery, Exchange } from './wire.js';

/** Longer than any wait of the marketplace: what takes longer hangs. */
export const ANSWER_MS_MAX = 60_000;
/** What never ends as a request is heard for so long, and then left. */
const UNENDED_MS = 150;

/** What names stand for, and how a body is signed. */
export interface Names {
  name(name: string): string | null;
  signature(body: Buffer): string;
}

function resolved(text: string, names: Names): string {
  return text.includes('{{')
    ? text.replaceAll(/\{\{([\w.]+)\}\}/g, (_, name: string) => names.name(name) ?? 'nobody')
    : text;
}

export function bytesOf(input: Input, names: Names): Buffer {
  if (input.raw) return input.raw;
  const body = input.body && Buffer.from(resolved(input.body.toString('latin1'), names), 'latin1');
  const lines = [`${input.method} ${resolved(input.target, names)} HTTP/1.1`];
  if (!input.headers.some(([name]) => name.toLowerCase() === 'host')) lines.push('Host: 127.0.0.1');
  for (const [name, value] of input.headers) {
    const isSigned = value === '{{signature}}';
    lines.push(`${name}: ${isSigned ? names.signature(body ?? Buffer.alloc(0)) : resolved(value, names)}`);
  }
  if (body && input.framing === 'length') lines.push(`Content-Length: ${body.length}`);
  if (body && input.framing === 'chunked') lines.push('Transfer-Encoding: chunked');
  // Its characters are bytes: what is no ASCII goes out as it stands.
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  if (!body) return head;
  if (input.framing !== 'chunked') return Buffer.concat([head, body]);
  const last = Buffer.from('0\r\n\r\n');
  if (body.length === 0) return Buffer.concat([head, last]);
  const size = Buffer.from(`${body.length.toString(16)}\r\n`);
  return Buffer.concat([head, size, body, Buffer.from('\r\n'), last]);
}

export async function send(input: Input, connection: Connection, names: Names): Promise<Exchange> {
  const bytes = bytesOf(input, names);
  const size = Math.max(1, Math.ceil(bytes.length / input.pieces));
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );
  const delivery: Delivery = {
    pieces,
    pauseMs: input.pieces > 1 ? 1 : 0,
    halfClose: input.halfClose,
    isHead: input.method === 'HEAD' && input.raw === null,
    waitMs: input.isAbandoned ? 1 : input.mayClose ? UNENDED_MS : ANSWER_MS_MAX,
  };
  try {
    return await connection.exchange(delivery);
  } finally {
    // What follows on it may be the rest of this one.
    if (input.mayClose || input.raw) connection.close();
  }
}
