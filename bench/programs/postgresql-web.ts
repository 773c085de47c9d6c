/** A row in PostgreSQL, updated by one prepared statement: the pool of the driver with its defaults. */
import { Pool } from 'pg';
import { optionsOf } from './program.js';
import { nameOf, namesOf, serveHolds } from './web.js';

interface Options {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly tickets: number;
  readonly capacity: number;
}

const { host, port, user, tickets, capacity } = optionsOf<Options>();
const pool = new Pool({ host, port, user, database: 'postgres' });
await pool.query('CREATE TABLE tickets (id text PRIMARY KEY, available integer NOT NULL)');
await pool.query('INSERT INTO tickets SELECT unnest($1::text[]), $2', [namesOf(tickets), capacity]);
await serveHolds(async (wanted) => {
  const { rows } = await pool.query<{ available: number }>({
    name: 'take',
    text: 'UPDATE tickets SET available = available - $2 WHERE id = $1 AND available >= $2 RETURNING available',
    values: [nameOf(wanted), wanted.quantity],
  });
  return rows[0]?.available ?? -1;
});
