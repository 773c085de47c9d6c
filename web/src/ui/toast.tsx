/** Short messages about what has just happened, shown for a while and read out by screen readers. */
import { createContext, use, useCallback, useEffect, useRef, useState, type ReactNode } from 'react';

const SHOWN_MS = 6_000;

type Say = (text: string) => void;
const ToastContext = createContext<Say>(() => undefined);

/** Shows and reads out a text. One at a time: a newer one takes the place of an older. */
export const useToast = (): Say => use(ToastContext);

export function ToastProvider({ children }: { readonly children: ReactNode }): ReactNode {
  const [toast, setToast] = useState<{ readonly text: string; readonly id: number } | null>(null);
  const next = useRef(0);
  const say = useCallback((text: string) => {
    next.current += 1;
    setToast({ text, id: next.current });
  }, []);
  useEffect(() => {
    if (!toast) return undefined;
    const timer = setTimeout(() => setToast(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [toast]);
  return (
    <ToastContext value={say}>
      {children}
      <div className="toasts" role="status" aria-live="polite">
        {toast && (
          <p className="toast" key={toast.id}>
            {toast.text}
          </p>
        )}
      </div>
    </ToastContext>
  );
}

/** Reads out a text that changes, without showing it. */
export function LiveRegion({ children }: { readonly children: ReactNode }): ReactNode {
  return (
    <div className="visually-hidden" role="status" aria-live="polite">
      {children}
    </div>
  );
}
