/**
 * How the web app is built: `vite build` makes what browsers load (dist/web/client), `vite build --ssr` what the
 * server renders pages with (dist/web/server/entry-server.js, which needs no package at run time).
 *
 * The second needs the first: the names of the hashed files are built into it.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { defineConfig, type Plugin, type Rolldown } from 'vite';

const CLIENT_DIR = '../dist/web/client';
const MANIFEST_ID = 'virtual:client-manifest';

/** The client's manifest as a module of the server's bundle; empty while developing. */
function clientManifest(): Plugin {
  return {
    name: 'ticktak:client-manifest',
    resolveId: (id) => (id === MANIFEST_ID ? `\0${MANIFEST_ID}` : null),
    load: (id) => {
      if (id !== `\0${MANIFEST_ID}`) return null;
      const file = new URL(`${CLIENT_DIR}/.vite/manifest.json`, import.meta.url);
      return `export default ${readFileSync(file, 'utf8')};`;
    },
  };
}

const WORKER = 'check-in-worker';
const GATE_PAGE = /\/src\/pages\/check-in\/page\.tsx$/;
const LANGUAGE = /\/src\/i18n\/[a-z]+(?:\.names)?\.json$/;

/**
 * Tells the service worker of the stewards' page what that page is made of: the app's entry, the page with everything
 * that it loads later, and the languages. The worker is no part of what pages load.
 */
function gateFiles(): Plugin {
  return {
    name: 'ticktak:gate-files',
    apply: 'build',
    generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter((file) => file.type === 'chunk');
      const worker = chunks.find(({ name, isEntry }) => isEntry && name === WORKER);
      if (!worker) return;
      const files = new Set<string>(['favicon.svg']);
      const visit = (fileName: string, withLater: boolean): void => {
        const chunk = bundle[fileName];
        if (chunk?.type !== 'chunk' || files.has(fileName)) return;
        files.add(fileName);
        for (const styles of chunk.viteMetadata?.importedCss ?? []) files.add(styles);
        for (const asset of chunk.viteMetadata?.importedAssets ?? []) files.add(asset);
        for (const imported of chunk.imports) visit(imported, withLater);
        if (withLater) for (const later of chunk.dynamicImports) visit(later, true);
      };
      // What the entry loads later is the shop's, so it comes first.
      for (const { fileName, isEntry } of chunks)
        if (isEntry && fileName !== worker.fileName) visit(fileName, false);
      for (const { fileName, facadeModuleId } of chunks) {
        if (LANGUAGE.test(facadeModuleId ?? '')) visit(fileName, false);
        if (GATE_PAGE.test(facadeModuleId ?? '')) visit(fileName, true);
      }
      const paths = [...files].sort().map((file) => `/${file}`);
      const version = createHash('sha256').update(paths.join()).digest('hex').slice(0, 16);
      worker.code = worker.code
        .replaceAll('__CHECK_IN_FILES__', JSON.stringify(paths))
        .replaceAll('__CHECK_IN_VERSION__', JSON.stringify(version));
    },
  };
}

/** Where `npm run web:dev` sends what goes to the API: the default ports of the services on this machine. */
const DEV_PROXY = {
  '/api/v1/matches': 'http://127.0.0.1:3000',
  '/api/v1/availability': 'http://127.0.0.1:3000',
  '/api/v1/recommendations': 'http://127.0.0.1:3000',
  '/api/v1/views': 'http://127.0.0.1:3000',
  '/api/v1/reservations': 'http://127.0.0.1:3020',
  '/api/v1/waiting-room': 'http://127.0.0.1:3020',
  '/api/v1/waiting-list': 'http://127.0.0.1:3020',
  '/api/v1/check-ins': 'http://127.0.0.1:3020',
  '/api/v1/tickets': 'http://127.0.0.1:3020',
  '/api/v1/users': 'http://127.0.0.1:3030',
  '/api/v1/sessions': 'http://127.0.0.1:3030',
  '/api/v1/email-confirmations': 'http://127.0.0.1:3030',
  '/api/v1/password-resets': 'http://127.0.0.1:3030',
  '/api/v1/payments': 'http://127.0.0.1:3040',
  '/api/v1/operations': 'http://127.0.0.1:3040',
  '/api/v1/challenges': 'http://127.0.0.1:3050',
  '/api/v1/blocks': 'http://127.0.0.1:3050',
  '/api/v1/audit': 'http://127.0.0.1:3050',
  '/admin': 'http://127.0.0.1:3000',
};

/** Libraries mark their files for a framework that is not used here; one line of that for each file says nothing. */
function onLog(
  level: Rolldown.LogLevel,
  log: Rolldown.RolldownLog,
  handle: (level: Rolldown.LogLevel, log: Rolldown.RolldownLog) => void,
): void {
  if (log.code !== 'MODULE_LEVEL_DIRECTIVE') handle(level, log);
}

export default defineConfig(({ isSsrBuild, command }) => ({
  root: import.meta.dirname,
  publicDir: isSsrBuild === true ? false : 'public',
  plugins: [clientManifest(), gateFiles()],
  define: command === 'build' ? { 'process.env.NODE_ENV': '"production"' } : {},
  server: { host: '127.0.0.1', proxy: DEV_PROXY },
  // Everything is bundled into the server's part too: it runs where only run-time packages are installed.
  ssr: { noExternal: true },
  build:
    isSsrBuild === true
      ? {
          outDir: '../dist/web/server',
          emptyOutDir: true,
          target: 'node20',
          rolldownOptions: { input: 'src/entry-server.tsx', onLog },
        }
      : {
          rolldownOptions: {
            onLog,
            input: { index: 'index.html', [WORKER]: 'src/check-in/worker.ts' },
            // Where a service worker stands decides what it may be for.
            output: {
              entryFileNames: ({ name }) => (name === WORKER ? '[name].js' : 'assets/[name]-[hash].js'),
            },
          },
          outDir: CLIENT_DIR,
          emptyOutDir: true,
          manifest: true,
          target: 'es2022',
          // Small pictures as data: addresses would need an exception in the Content-Security-Policy.
          assetsInlineLimit: 0,
          // The preload helper's polyfill is for browsers that cannot run the app anyway.
          modulePreload: { polyfill: false },
        },
}));
