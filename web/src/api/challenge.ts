/** Solving a proof of work in the browser. Loaded only when the server asks for one. */
import { solveChallenge, type Challenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/web/pbkdf2';
import { ApiProblem } from './problem';

const SOLVE_MS_MAX = 60_000;

/**
 * The value for `X-Challenge-Solution`. The keys are derived by the browser's own cryptography, off the page's
 * thread, so the page stays responsive. Throws `challenge_failed` where that is missing (a page that is not
 * secure) or the time is up.
 */
export async function solve(challenge: unknown): Promise<string> {
  if (!globalThis.crypto?.subtle) throw new ApiProblem('challenge_failed');
  // What is not a challenge of the server's is refused by the library, or by the server.
  const asked = challenge as Challenge;
  const solution = await solveChallenge({ challenge: asked, deriveKey, timeout: SOLVE_MS_MAX }).catch(
    () => null,
  );
  if (!solution) throw new ApiProblem('challenge_failed');
  return base64(JSON.stringify({ challenge: asked, solution }));
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
