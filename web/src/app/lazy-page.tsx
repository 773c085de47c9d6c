/** Pages are loaded when they are first needed, and rendered at once when they already are. */
import { lazy, type ComponentType, type ReactNode } from 'react';

export interface LazyPage {
  readonly preload: () => Promise<void>;
  readonly Page: () => ReactNode;
}

/** `load` imports a module whose default export is the page. */
export function lazyPage(load: () => Promise<{ readonly default: ComponentType }>): LazyPage {
  let Loaded: ComponentType | null = null;
  const loadOnce = async (): Promise<{ default: ComponentType }> => {
    const module = await load();
    Loaded = module.default;
    return { default: module.default };
  };
  const Later = lazy(loadOnce);
  return {
    preload: async () => {
      if (!Loaded) await loadOnce();
    },
    Page: () => {
      const Now = Loaded ?? Later;
      return <Now />;
    },
  };
}
