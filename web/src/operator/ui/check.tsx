/** A box to tick, with its words. */
import { startTransition, useOptimistic, type ReactNode } from 'react';

export function Check(props: {
  readonly isChecked: boolean;
  readonly onChange: (isChecked: boolean) => void;
  readonly children: ReactNode;
}): ReactNode {
  const { isChecked, onChange, children } = props;
  // What is kept in the address changes a moment after the tick: until then the box would be back as it was.
  const [isShown, show] = useOptimistic(isChecked);
  const change = (next: boolean): void =>
    startTransition(() => {
      show(next);
      onChange(next);
    });
  return (
    <label className="operator-check">
      <input type="checkbox" checked={isShown} onChange={(event) => change(event.target.checked)} />
      <span>{children}</span>
    </label>
  );
}
