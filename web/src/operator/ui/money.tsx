/** Money of the API's smallest units, set from left to right in both directions. */
import type { ReactNode } from 'react';
import { useFigures } from '../figures';

export function Minor(props: { readonly amountMinor: number; readonly currency: string }): ReactNode {
  const { minor } = useFigures();
  return <bdi className="money">{minor(props.amountMinor, props.currency)}</bdi>;
}
