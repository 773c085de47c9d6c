/** Solving a challenge outside of a browser: for API customers and tests. Browsers use the `altcha` widget. */
import { solveChallenge, type Challenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';

const SOLVE_MS_MAX = 60_000;

/** The value for `X-Challenge-Solution`. `challenge` is the member of that name of a `challenge_required` answer. */
export async function solve(challenge: unknown): Promise<string> {
  // What is not a challenge of the server's is refused by the library, or by the server.
  const asked = challenge as Challenge;
  const solution = await solveChallenge({ challenge: asked, deriveKey, timeout: SOLVE_MS_MAX });
  if (!solution) throw new Error(`the challenge was not solved within ${SOLVE_MS_MAX} ms`);
  return Buffer.from(JSON.stringify({ challenge: asked, solution })).toString('base64');
}
