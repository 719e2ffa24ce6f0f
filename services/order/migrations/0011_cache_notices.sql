-- How often a replica has said that it could not write to its Redis (services/contract/cache_notice.h).
CREATE TABLE cache_notices (
    count    bigint NOT NULL,
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
INSERT INTO cache_notices (count) VALUES (0);
