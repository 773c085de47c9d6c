/** Sends what it was given, as Express does a string. */
import express from 'express';
import { optionsOf } from './program.js';
import { listen } from './web.js';

const { path, type, body } = optionsOf<{ path: string; type: string; body: string }>();
const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.get(path, (_request, response) => {
  response.type(type).send(body);
});
await listen(app);
