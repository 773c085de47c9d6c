/** The smallest form of an input that still fails, by leaving out what can be left out. Bounded, and no more than simple. */
import type { Input } from './inputs.js';

const TRIES_MAX = 120;

export async function minimised(input: Input, fails: (input: Input) => Promise<boolean>): Promise<Input> {
  let best = input;
  let tries = 0;
  const tried = async (candidate: Input): Promise<boolean> => {
    if (tries >= TRIES_MAX) return false;
    tries += 1;
    if (!(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  if (best.pieces > 1) await tried({ ...best, pieces: 1 });
  if (best.halfClose) await tried({ ...best, halfClose: false });
  if (best.framing === 'chunked') await tried({ ...best, framing: 'length' });
  for (let i = best.headers.length - 1; i >= 0; i -= 1) {
    await tried({ ...best, headers: best.headers.filter((_, at) => at !== i) });
  }
  const query = best.target.indexOf('?');
  if (query >= 0) await tried({ ...best, target: best.target.slice(0, query) });
  for (const part of ['body', 'raw'] as const) {
    for (
      let size = Math.ceil((best[part]?.length ?? 0) / 2);
      size >= 1;
      size = size > 1 ? Math.ceil(size / 2) : 0
    ) {
      for (let at = 0; at < (best[part]?.length ?? 0);) {
        const bytes = best[part] ?? Buffer.alloc(0);
        const shorter = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + size)]);
        if (!(await tried({ ...best, [part]: shorter }))) at += size;
      }
    }
  }
  return best;
}
