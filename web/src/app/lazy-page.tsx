/** Pages are loaded when they are first needed, and rendered at once when they already are. */
import { lazy, type ComponentType, type ReactNode } from 'react';
import type { LanguageCode } from '../i18n/languages';

/** Which page the browser begins with. */
export interface Visit {
  readonly language: LanguageCode;
  /** Without the language. */
  readonly path: string;
  /** Query of the address. */
  readonly search: string;
}

export interface PageModule {
  readonly default: ComponentType;
  /** Begins what the page will need, before anything of it is rendered. */
  readonly early?: (visit: Visit) => void;
}

export interface LazyPage {
  /** `visit`: the browser begins with this page. */
  readonly preload: (visit?: Visit) => Promise<void>;
  readonly Page: () => ReactNode;
}

/** `load` imports a module whose default export is the page. */
export function lazyPage(load: () => Promise<PageModule>): LazyPage {
  let Loaded: ComponentType | null = null;
  const loadOnce = async (): Promise<PageModule> => {
    const module = await load();
    Loaded = module.default;
    return module;
  };
  const Later = lazy(loadOnce);
  return {
    preload: async (visit) => {
      if (Loaded) return;
      const { early } = await loadOnce();
      if (visit) early?.(visit);
    },
    Page: () => {
      const Now = Loaded ?? Later;
      return <Now />;
    },
  };
}
