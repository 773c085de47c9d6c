/**
 * A page can be read, and its fields filled in, before its scripts have come. What was typed, ticked or chosen
 * meanwhile is told to the app as if it happened now; otherwise the field would show one thing and the app hold another.
 */

/** To be called once, in the commit that takes over the server's page. */
export function replayEarlyInput(root: ParentNode): void {
  for (const field of root.querySelectorAll<HTMLInputElement | HTMLSelectElement>('input, select')) {
    if (field instanceof HTMLSelectElement) chooseAgain(field);
    else if (field.type === 'checkbox' || field.type === 'radio') tickAgain(field);
    else typeAgain(field);
  }
}

function chooseAgain(field: HTMLSelectElement): void {
  const options = [...field.options];
  const given = options.find((option) => option.defaultSelected) ?? options[0];
  if (given !== undefined && field.value !== given.value) {
    field.dispatchEvent(new Event('change', { bubbles: true }));
  }
}

function tickAgain(field: HTMLInputElement): void {
  if (field.checked === field.defaultChecked || (field.type === 'radio' && !field.checked)) return;
  field.checked = field.defaultChecked;
  field.click();
}

/** React hears of a value only when it differs from the last one set through the element itself. */
const setValue = (field: HTMLInputElement, value: string): void =>
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')?.set?.call(field, value);

function typeAgain(field: HTMLInputElement): void {
  const { value, defaultValue, selectionStart, selectionEnd } = field;
  if (value === defaultValue || field.type === 'hidden') return;
  field.value = defaultValue;
  setValue(field, value);
  // Some types of field have no selection.
  if (selectionStart !== null) field.setSelectionRange(selectionStart, selectionEnd);
  field.dispatchEvent(new Event('input', { bubbles: true }));
}
