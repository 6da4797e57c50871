// What every page needs. Nothing here is required for a page to work.
