/**
 * HTTP/1.1 by hand over a socket, so that anything can be sent as it stands. Guarantee: `exchange` resolves within
 * its bound, whatever the other side does, and its answer is what came.
 */
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  /** Names in small letters; of one that came twice the last. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly tookMs: number;
}

/** `closed`: the connection ended before an answer was whole. `late`: nothing came within the bound. */
export type Exchange =
  | { readonly kind: 'answered'; readonly answer: Answer }
  | { readonly kind: 'closed'; readonly received: Buffer; readonly isReset: boolean }
  | { readonly kind: 'late' };

/** What goes out, piece by piece, with a pause after each. */
export interface Delivery {
  readonly pieces: readonly Buffer[];
  readonly pauseMs: number;
  /** Says after the last piece that nothing more will come. */
  readonly halfClose: boolean;
  /** The answer has no body, whatever its headers say. */
  readonly isHead: boolean;
  readonly waitMs: number;
}

/** One connection, used again as long as the other side keeps it open. */
export class Connection {
  readonly #port: number;
  #socket: Socket | null = null;

  constructor(port: number) {
    this.#port = port;
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  async exchange(delivery: Delivery): Promise<Exchange> {
    const isFresh = !isOpen(this.#socket);
    const first = await this.#once(delivery);
    // Closed as idle in the moment it was used again: nothing was read of it.
    if (!isFresh && first.kind === 'closed' && first.received.length === 0) return this.#once(delivery);
    return first;
  }

  #once(delivery: Delivery): Promise<Exchange> {
    const startedAt = performance.now();
    const kept = this.#socket;
    const socket = isOpen(kept)
      ? kept
      : connect({ port: this.#port, host: '127.0.0.1', allowHalfOpen: true });
    if (socket !== kept) socket.on('error', () => undefined);
    this.#socket = socket;
    return new Promise((resolve) => {
      let received: Buffer = Buffer.alloc(0);
      let isReset = false;
      let hasEnded = false;
      const finish = (exchange: Exchange, keep: boolean): void => {
        if (hasEnded) return;
        hasEnded = true;
        clearTimeout(timer);
        socket.off('data', hear).off('end', ended).off('close', ended).off('error', failed);
        if (!keep || delivery.halfClose) this.close();
        resolve(exchange);
      };
      const look = (isOver: boolean): void => {
        const found = parse(received, delivery.isHead, isOver);
        if (found === null) {
          if (isOver) finish({ kind: 'closed', received, isReset }, false);
          return;
        }
        const answer = { ...found.answer, tookMs: performance.now() - startedAt };
        finish({ kind: 'answered', answer }, found.mayStay && received.length === found.length);
      };
      const hear = (chunk: Buffer): void => {
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
        look(false);
      };
      const ended = (): void => look(true);
      const failed = (error: NodeJS.ErrnoException): void => {
        isReset ||= error.code === 'ECONNRESET' || error.code === 'EPIPE';
        look(true);
      };
      const timer = setTimeout(() => finish({ kind: 'late' }, false), delivery.waitMs);
      socket.on('data', hear).on('end', ended).on('close', ended).on('error', failed);
      void write(socket, delivery, () => hasEnded);
    });
  }
}

/** A half that the other side has ended hears nothing more, not even that what it sends is refused. */
function isOpen(socket: Socket | null): socket is Socket {
  return socket !== null && !socket.destroyed && socket.writable && socket.readable;
}

async function write(socket: Socket, { pieces, pauseMs, halfClose }: Delivery, isOver: () => boolean) {
  for (const piece of pieces) {
    if (isOver() || !socket.writable) return;
    socket.write(piece);
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  if (halfClose && !isOver()) socket.end();
}

interface Parsed {
  readonly answer: Omit<Answer, 'tookMs'>;
  readonly length: number;
  readonly mayStay: boolean;
}

/** The first final answer in what came, or null when it is not whole. */
function parse(received: Buffer, isHead: boolean, isOver: boolean): Parsed | null {
  let from = 0;
  for (;;) {
    const headEnd = received.indexOf('\r\n\r\n', from);
    if (headEnd < 0) return null;
    const [first = '', ...lines] = received.toString('latin1', from, headEnd).split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1] ?? 0);
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
      }),
    );
    const bodyAt = headEnd + 4;
    if (status >= 100 && status < 200) {
      from = bodyAt;
      continue;
    }
    const found = bodyOf(received, bodyAt, status, headers, isHead, isOver);
    if (!found) return null;
    const mayStay = headers['connection']?.toLowerCase() !== 'close' && found.isBounded;
    return { answer: { status, headers, body: found.body }, length: found.end, mayStay };
  }
}

function bodyOf(
  received: Buffer,
  at: number,
  status: number,
  headers: Readonly<Record<string, string>>,
  isHead: boolean,
  isOver: boolean,
): { readonly body: Buffer; readonly end: number; readonly isBounded: boolean } | null {
  if (isHead || status === 204 || status === 304) return { body: Buffer.alloc(0), end: at, isBounded: true };
  // A stream has no end: that it begins is enough.
  if (headers['content-type']?.startsWith('text/event-stream')) {
    return { body: received.subarray(at), end: -1, isBounded: false };
  }
  if (headers['transfer-encoding'] === 'chunked') return chunksOf(received, at);
  const length = headers['content-length'];
  if (length !== undefined) {
    const end = at + Number(length);
    return received.length < end ? null : { body: received.subarray(at, end), end, isBounded: true };
  }
  return isOver ? { body: received.subarray(at), end: received.length, isBounded: false } : null;
}

function chunksOf(received: Buffer, from: number): ReturnType<typeof bodyOf> {
  const chunks: Buffer[] = [];
  for (let at = from; ;) {
    const lineEnd = received.indexOf('\r\n', at);
    if (lineEnd < 0) return null;
    const size = parseInt(received.toString('latin1', at, lineEnd), 16);
    const end = lineEnd + 2 + size;
    if (Number.isNaN(size) || received.length < end + 2) return null;
    if (size === 0) return { body: Buffer.concat(chunks), end: end + 2, isBounded: true };
    chunks.push(received.subarray(lineEnd + 2, end));
    at = end + 2;
  }
}
