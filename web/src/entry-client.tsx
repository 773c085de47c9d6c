/** Where the browser begins: takes over the page the server rendered, or renders it where none did. */
import { createRoot, hydrateRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router';
import { session } from './api';
import { App, newQueryClient } from './app/app';
import { readInitial } from './app/initial';
import { routeOf } from './app/routes';
import { LANGUAGES, languageOf, prefixOf } from './i18n/languages';
import { loadLanguage } from './i18n/locale';
import './styles/index.css';

async function start(): Promise<void> {
  const root = document.getElementById('root');
  if (!root) throw new Error('the page has no root');
  const { code, path } = languageOf(location.pathname);
  document.documentElement.lang = code;
  document.documentElement.dir = LANGUAGES[code].dir;
  const initial = readInitial();
  // Who it is takes a question to the server, for those who were logged in: asked now, it is known when it is needed.
  void session.restore();
  // Together: the page is not to wait for one after the other.
  const visit = { language: code, path, search: location.search };
  const [language] = await Promise.all([loadLanguage(code), routeOf(path).page.preload(visit)]);
  const app = (
    <App
      language={language}
      environment={{ origin: initial.origin, renderedAt: initial.now, answer: { status: 200 } }}
      client={newQueryClient(initial.matches)}
      router={(children) => <BrowserRouter basename={prefixOf(code) || '/'}>{children}</BrowserRouter>}
    />
  );
  if (root.hasChildNodes()) hydrateRoot(root, app);
  else createRoot(root).render(app);
}

void start();
