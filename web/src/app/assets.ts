/** Which files of the client a page needs, from the manifest of its build. */

export interface ManifestEntry {
  readonly file: string;
  readonly css?: readonly string[];
  readonly imports?: readonly string[];
  readonly isEntry?: boolean;
}
export type Manifest = Readonly<Record<string, ManifestEntry>>;

export interface Assets {
  readonly script: string;
  readonly styles: readonly string[];
  /** Loaded along with the script, not after it. */
  readonly modules: readonly string[];
}

const ENTRY = 'index.html';

/** `modules`: what the page imports lazily and needs at once, by their names in the manifest. */
export function assetsOf(manifest: Manifest, modules: readonly string[]): Assets {
  const seen = new Set<string>();
  const entries: ManifestEntry[] = [];
  const visit = (name: string): void => {
    const entry = manifest[name];
    if (!entry || seen.has(name)) return;
    seen.add(name);
    entries.push(entry);
    for (const imported of entry.imports ?? []) visit(imported);
  };
  for (const name of [ENTRY, ...modules]) visit(name);
  const script = manifest[ENTRY]?.file;
  if (script === undefined) throw new Error('the manifest of the client has no entry');
  return {
    script: `/${script}`,
    styles: [...new Set(entries.flatMap(({ css = [] }) => css))].map((file) => `/${file}`),
    modules: entries.map(({ file }) => `/${file}`).filter((file) => file !== `/${script}`),
  };
}
