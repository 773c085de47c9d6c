/** A row in a database, found and updated in one call: MongoDB's protocol, the driver's defaults. */
import { MongoClient } from 'mongodb';
import { optionsOf } from './program.js';
import { nameOf, namesOf, serveHolds } from './web.js';

const { url, tickets, capacity } = optionsOf<{ url: string; tickets: number; capacity: number }>();
const client = await new MongoClient(url).connect();
const rows = client.db('bench').collection<{ _id: string; available: number }>('tickets');
await rows.insertMany(namesOf(tickets).map((name) => ({ _id: name, available: capacity })));
await serveHolds(async (wanted) => {
  const { quantity } = wanted;
  const row = await rows.findOneAndUpdate(
    { _id: nameOf(wanted), available: { $gte: quantity } },
    { $inc: { available: -quantity } },
    { returnDocument: 'after' },
  );
  return row?.available ?? -1;
});
