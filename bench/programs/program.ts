/** What the programs of contenders share: their options, saying that they are ready, and an end on SIGTERM. */

/** What `startProgram` was given. */
export const optionsOf = <T>(): T => JSON.parse(process.argv[2] ?? '{}') as T;

/** Says that the work can begin. */
export function ready(url?: string): void {
  process.once('SIGTERM', () => process.exit());
  process.stdout.write(url === undefined ? 'ready\n' : `ready ${url}\n`);
}
