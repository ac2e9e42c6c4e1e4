// What is said of a place of a merge besides a choice; apart, so that the editor need not be here to know it.

/** It was edited by hand. */
export const EDITED = 'edited';
