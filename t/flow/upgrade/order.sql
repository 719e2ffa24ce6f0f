CREATE TABLE public.idempotency_keys (
    key text NOT NULL,
    order_id bigint NOT NULL,
    product_id bigint NOT NULL,
    quantity bigint NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.order_ids
    START WITH 1
    INCREMENT BY 1000
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE public.orders (
    id bigint NOT NULL,
    product_id bigint NOT NULL,
    quantity bigint NOT NULL,
    unit_price_cents bigint NOT NULL,
    total_price_cents bigint NOT NULL,
    status text DEFAULT 'waiting'::text NOT NULL,
    reason text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    request_id text NOT NULL,
    traceparent text NOT NULL,
    tracestate text,
    CONSTRAINT orders_check CHECK ((total_price_cents = (unit_price_cents * quantity))),
    CONSTRAINT orders_check1 CHECK (((status = 'rejected'::text) = (reason IS NOT NULL))),
    CONSTRAINT orders_created_at_check CHECK (((created_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (created_at <= '9999-12-31 23:59:59+00'::timestamp with time zone))),
    CONSTRAINT orders_quantity_check CHECK (((quantity >= 1) AND (quantity <= 1000000))),
    CONSTRAINT orders_reason_check CHECK ((reason = ANY (ARRAY['out_of_stock'::text, 'product_not_found'::text]))),
    CONSTRAINT orders_request_id_check CHECK ((octet_length(request_id) <= 128)),
    CONSTRAINT orders_status_check CHECK ((status = ANY (ARRAY['waiting'::text, 'done'::text, 'rejected'::text]))),
    CONSTRAINT orders_unit_price_cents_check CHECK ((unit_price_cents >= 0)),
    CONSTRAINT orders_updated_at_check CHECK (((updated_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at <= '9999-12-31 23:59:59+00'::timestamp with time zone)))
)
WITH (fillfactor='75');
CREATE TABLE public.outbox (
    id bigint NOT NULL,
    routing_key text NOT NULL,
    message_id text NOT NULL,
    correlation_id text NOT NULL,
    traceparent text NOT NULL,
    body text NOT NULL,
    available_at timestamp with time zone NOT NULL,
    tracestate text
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='20000');
CREATE TABLE public.schema_migrations (
    version integer NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
COPY public.idempotency_keys (key, order_id, product_id, quantity, created_at) FROM stdin;
key-1	1	1	1	2024-11-30 11:31:23.275+00
key-2	1014	1	1	2024-11-30 11:32:05.721+00
\.
COPY public.orders (id, product_id, quantity, unit_price_cents, total_price_cents, status, reason, created_at, updated_at, request_id, traceparent, tracestate) FROM stdin;
1	1	1	650	650	done	\N	2024-11-30 11:31:23.275+00	2024-11-30 11:31:23.303+00	old-1	00-090eaf65f8ea419ed8b18a49668a54dc-ad8884b190f97dc2-01	\N
2	1	2	650	1300	done	\N	2024-11-30 11:31:23.996+00	2024-11-30 11:31:24.003+00	old-2	00-36a27d427993764c3c2cae0a4bd0fc15-29524fd3e4854a0a-01	\N
3	2	500000	4900	2450000000	done	\N	2024-11-30 11:31:24.239+00	2024-11-30 11:31:24.244+00	old-3	00-5414055b37382c004785c0b66b23f394-bcb4b04b615b45c7-01	\N
4	3	4	8995	35980	done	\N	2024-11-30 11:31:24.87+00	2024-11-30 11:31:24.877+00	old-4	00-04fedd1beb613d04e49db5d1e7c6cbd9-be1d02caaf051dfa-01	\N
5	1	3	650	1950	waiting	\N	2024-11-30 11:31:30.539+00	2024-11-30 11:31:30.539+00	old-5	00-6fbfd1b88a096a34b4d6baa9c56add40-a0a0fe6593bbc69f-01	\N
6	4	7	799	5593	waiting	\N	2024-11-30 11:31:30.639+00	2024-11-30 11:31:30.639+00	old-6	00-6727fb02608ff0cb4670dae55a6a7ea8-227625452025835c-01	\N
7	5	100000	1490	149000000	waiting	\N	2024-11-30 11:31:30.825+00	2024-11-30 11:31:30.825+00	old-7	00-25037889801afdd343d774a317d4e2b0-a9b682f4a654e7f9-01	\N
1001	1	1	650	650	done	\N	2024-11-30 11:31:42.919+00	2024-11-30 11:31:42.927+00	old-8	00-dbb9bcbb8f3380ae47dbc0b325c4297f-b9d43ec70bf41344-01	\N
1002	6	1	11900	11900	done	\N	2024-11-30 11:31:43.277+00	2024-11-30 11:31:43.302+00	old-9	00-c8cc27f5fb31773ae892e550e6c69f77-5521a73d12e245ce-01	\N
1003	7	1	24900	24900	done	\N	2024-11-30 11:31:43.669+00	2024-11-30 11:31:43.694+00	old-10	00-5126e3626d6fd9a242361b8da1cc5419-e3a3ecfe758ad4b8-01	\N
1004	8	1	49999	49999	done	\N	2024-11-30 11:31:44.19+00	2024-11-30 11:31:44.197+00	old-11	00-ea4e290928d2b574576ebaf721109737-5ace8df837c70b9e-01	\N
1005	9	1	2150	2150	done	\N	2024-11-30 11:31:44.601+00	2024-11-30 11:31:44.616+00	old-12	00-2ed885d5949b8fd0714a65ee0d08f829-e9d58c24e5207534-01	\N
1006	10	1	3990	3990	done	\N	2024-11-30 11:31:44.807+00	2024-11-30 11:31:44.82+00	old-13	00-269f6e3d9148e0f0f1e389bd4bb299a1-f678e1fadb961e04-01	\N
1007	11	1	1295	1295	done	\N	2024-11-30 11:31:45.221+00	2024-11-30 11:31:45.232+00	old-14	00-71a8c8c0021f1ded482bc18227d60cd0-cfe05b6c301277e0-01	\N
1008	1	5	650	3250	waiting	\N	2024-11-30 11:31:47.743+00	2024-11-30 11:31:47.743+00	old-15	00-653df671297ea459c16150714d249f60-dfa03104dd7b6597-01	\N
1009	6	2	11900	23800	waiting	\N	2024-11-30 11:31:47.951+00	2024-11-30 11:31:47.951+00	old-16	00-99a075d02d8d6ca3210434f50924c363-b3ca7f66de17fe16-01	\N
1010	7	100000	24900	2490000000	waiting	\N	2024-11-30 11:31:48.22+00	2024-11-30 11:31:48.22+00	old-17	00-2388d56c85904d10948a8112ed9948a1-0d214570489d908d-01	\N
1011	1	8	650	5200	waiting	\N	2024-11-30 11:32:05.173+00	2024-11-30 11:32:05.173+00	old-18	00-e69696c493f876beab4702ae681dfd0d-209c55d415275540-01	\N
1012	8	1	49999	49999	waiting	\N	2024-11-30 11:32:05.312+00	2024-11-30 11:32:05.312+00	old-19	00-661cfbe7e0a28dafb0f6644177e20bc5-dc50c7f5bcc7496d-01	\N
1013	9	100000	2150	215000000	waiting	\N	2024-11-30 11:32:05.501+00	2024-11-30 11:32:05.501+00	old-20	00-3f1e2ec95798f5a6e65d7f8dfdf81985-6648cba06e748277-01	\N
1014	1	1	650	650	waiting	\N	2024-11-30 11:32:05.721+00	2024-11-30 11:32:05.721+00	old-21	00-6b28ae4e51943cb526f20bd7004103ea-403efc33d08c5603-01	\N
1015	1	9	650	5850	waiting	\N	2024-11-30 11:32:12.725+00	2024-11-30 11:32:12.725+00	old-22	00-641e00a55f4eda7cba1d4740ddc0e9cb-fbbaaa55ca48f88f-01	\N
1016	10	1	3990	3990	waiting	\N	2024-11-30 11:32:12.858+00	2024-11-30 11:32:12.858+00	old-23	00-e5e881b88101f67667d7e2127434ce3d-104be65ba65f541b-01	\N
1017	11	100000	1295	129500000	waiting	\N	2024-11-30 11:32:12.975+00	2024-11-30 11:32:12.975+00	old-24	00-629a3b222f75190f613a6baaa3629962-f598f66eced7342b-01	\N
\.
COPY public.outbox (id, routing_key, message_id, correlation_id, traceparent, body, available_at, tracestate) FROM stdin;
1015	order.created	order.created-1015	old-22	00-641e00a55f4eda7cba1d4740ddc0e9cb-fbbaaa55ca48f88f-01	{"orderId":1015,"productId":1,"quantity":9,"status":"waiting","createdAt":"2024-11-30T11:32:12.725Z","requestId":"old-22","timestamp":"2024-11-30T11:32:12.725Z"}	2024-11-30 11:32:22.725923+00	\N
1016	order.created	order.created-1016	old-23	00-e5e881b88101f67667d7e2127434ce3d-104be65ba65f541b-01	{"orderId":1016,"productId":10,"quantity":1,"status":"waiting","createdAt":"2024-11-30T11:32:12.858Z","requestId":"old-23","timestamp":"2024-11-30T11:32:12.858Z"}	2024-11-30 11:32:22.86149+00	\N
1017	order.created	order.created-1017	old-24	00-629a3b222f75190f613a6baaa3629962-f598f66eced7342b-01	{"orderId":1017,"productId":11,"quantity":100000,"status":"waiting","createdAt":"2024-11-30T11:32:12.975Z","requestId":"old-24","timestamp":"2024-11-30T11:32:12.975Z"}	2024-11-30 11:32:22.976164+00	\N
\.
COPY public.schema_migrations (version, applied_at) FROM stdin;
1	2024-11-30 11:31:16.789658+00
2	2024-11-30 11:31:16.789658+00
\.
SELECT pg_catalog.setval('public.order_ids', 1001, true);
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);
CREATE INDEX idempotency_keys_by_time ON public.idempotency_keys USING brin (created_at);
CREATE INDEX orders_by_product ON public.orders USING btree (product_id, created_at DESC, id DESC);
CREATE INDEX orders_by_time ON public.orders USING brin (created_at);
