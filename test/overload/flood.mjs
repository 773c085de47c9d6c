/** Asks for one URL over so many connections at once, as fast as it is answered, until its input ends; then says what it was told. */
import { Agent, request } from 'node:http';

const [url, connections] = [process.argv[2], Number(process.argv[3])];
const agent = new Agent({ keepAlive: true, maxSockets: connections });
const told = { answered: {}, withoutRetryAfter: 0, failed: 0 };
let isOver = false;

const once = () =>
  new Promise((resolve) => {
    const asking = request(url, { agent }, (response) => {
      const status = String(response.statusCode);
      told.answered[status] = (told.answered[status] ?? 0) + 1;
      if (status === '503' && !(Number(response.headers['retry-after']) > 0)) told.withoutRetryAfter += 1;
      response.resume();
      response.once('close', resolve);
    });
    asking.once('error', () => {
      told.failed += 1;
      resolve();
    });
    asking.end();
  });

process.stdin.resume();
process.stdin.once('end', () => {
  isOver = true;
});
console.log('begun');
await Promise.all(
  Array.from({ length: connections }, async () => {
    while (!isOver) await once();
  }),
);
console.log(JSON.stringify(told));
agent.destroy();
process.exit(0);
