-- Half a page is left for waiting -> done: the orders of a page come together and end together, before
-- their first versions can be pruned. At 75 one order in three to one in two had no room, and a new entry
-- in each index. A change of the catalogue only, for pages to come.
ALTER TABLE orders SET (fillfactor = 50);
