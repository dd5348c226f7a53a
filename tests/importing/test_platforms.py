"""Small exports in the shape of each platform's own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm_mailer.definitions.column_maps import ColumnMap, shipped_maps
from crm_mailer.importing.header import bind
from tests.importing.desk import Desk

SHOPIFY = """\
Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,\
Subtotal,Shipping,Taxes,Total,Created at,Lineitem quantity,Lineitem name,Lineitem price,\
Lineitem sku,Shipping Name,Shipping Street,Shipping City,Shipping Zip,Shipping Country,Notes,\
Cancelled at,Payment Method,Refunded Amount,Phone
#1001,anna@example.com,paid,2026-10-01 10:11:12 +0300,fulfilled,2026-10-02 09:00:00 +0300,yes,\
USD,30.00,5.00,0.00,35.00,2026-10-01 10:11:00 +0300,2,Cup,10.00,CUP-1,Anna Petrova,Lenina 1,Perm,\
614000,RU,,,card,0.00,
#1001,anna@example.com,,,,,,,,,,,2026-10-01 10:11:00 +0300,1,Plate,10.00,PLA-1,,,,,,,,,,
#1002,ivan@example.com,refunded,2026-10-01 10:11:12 +0300,unfulfilled,,no,USD,20.00,0.00,0.00,\
20.00,2026-10-01 10:11:00 +0300,1,Cup,20.00,CUP-1,Ivan,Lenina 2,Perm,614000,RU,,\
2026-10-03 10:00:00 +0300,card,20.00,
"""
AMAZON = (
    "amazon-order-id\tmerchant-order-id\tpurchase-date\tlast-updated-date\torder-status\t"
    "product-name\tsku\titem-status\tquantity\tcurrency\titem-price\titem-tax\tshipping-price\t"
    "item-promotion-discount\tship-city\tship-state\tship-postal-code\tship-country\n"
    '026-1\t\t2026-10-01T10:00:00+00:00\t2026-10-02T10:00:00+00:00\tShipped\t24" lamp\tL1\t'
    "Shipped\t2\tEUR\t20.00\t3.80\t4.00\t1.00\tBerlin\t\t10115\tDE\n"
    "026-1\t\t2026-10-01T10:00:00+00:00\t2026-10-02T10:00:00+00:00\tShipped\tBulb\tB1\t"
    "Cancelled\t0\tEUR\t5.00\t0.95\t\t\tBerlin\t\t10115\tDE\n"
)
UNSHIPPED = (
    "order-id\torder-item-id\tpurchase-date\tpayments-date\tbuyer-email\tbuyer-name\t"
    "buyer-phone-number\tsku\tproduct-name\tquantity-purchased\trecipient-name\tship-address-1\t"
    "ship-address-2\tship-city\tship-postal-code\tship-country\n"
    "026-1\t9\t2026-10-01T10:00:00+00:00\t2026-10-01T10:05:00+00:00\tk7@marketplace.amazon.de\t"
    "Karl\t+49 30 1234567\tL1\tlamp\t2\tKarl Weiß\tAm Tor 1\t2. Stock\tBerlin\t10115\tDE\n"
)
ALIEXPRESS = """\
订单号,订单状态,负责人(业务员),买家名称,下单时间,付款时间,产品总金额,物流费用,订单金额,满立减,产品信息,订单备注,收货地址,\
收货人名称,收货国家,州/省,城市,地址,邮编,联系电话,手机,买家选择物流,发货期限,实际发货物流:运单号,发货时间,确认收货时间
8001,等待买家收货,王,buyer1,2026-10-01 08:30,2026-10-01 09:00,US $20.00,US $2.50,US $22.50,0,\
"【1】 Red cup, large
(产品属性:Color:Red)
(商家编码:CUP-R)
(产品数量:2 piece)
【2】 Plate (商家编码:PLA-1) (产品数量:1 piece)",请快点,"Lenina 1, Perm",Петрова Анна Ивановна,\
Russian Federation,Perm Krai,Perm,Lenina 1,614000,,79001234567,AliExpress Standard,3天,\
RB123456789CN,2026-10-02 10:00,
"""
EBAY = """\

"Sales Record Number","Order Number","Buyer Username","Buyer Name","Buyer Email","Ship To Name",\
"Ship To Address 1","Ship To City","Ship To Zip","Ship To Country","Item Title","Custom Label",\
"Quantity","Sold For","Total Price","Payment Method","Sale Date","Paid On Date","Shipped On Date",\
"Tracking Number"
"101","12-1","maria_l","Maria Lopez","x9@members.ebay.com","Maria Lopez","Sol 1","Madrid","28001",\
"Spain","Cup","CUP-1","2","$10.00","$22.00","PayPal","Oct-01-26","Oct-01-26","Oct-03-26","T1"

"1","record(s) downloaded,"," from ","Oct-01-26"
"Seller ID : shop"
"""
WOO = """\
order_id,order_number,order_date,paid_date,status,order_total,order_currency,\
payment_method_title,customer_id,billing_email,billing_first_name,billing_last_name,shipping_country
55,55,10/01/2026 6:29:00,,on-hold,"1,234.50",EUR,Card,\
9,anna@example.com,Anna,Petrova,RU
"""
SHOPEE = """\
No. Pesanan,Status Pesanan,No. Resi,Waktu Pesanan Dibuat,Waktu Pembayaran Dilakukan,\
Nomor Referensi SKU,Nama Produk,Harga Setelah Diskon,Jumlah,Total Pembayaran,Username (Pembeli),\
Nama Penerima,No. Telepon,Alamat Pengiriman,Kota/Kabupaten,Provinsi
2610ABC,Selesai,SPX1,2026-10-01 10:00,2026-10-01 10:05,K-1,Gelas,25.000,2,50.000,siti88,Siti,\
628123456789,Jl. Mawar 1,Bandung,Jawa Barat
"""
LAZADA = """\
orderItemId,orderNumber,createTime,customerName,customerEmail,shippingName,shippingAddress,\
shippingCity,shippingCountry,payMethod,paidPrice,unitPrice,itemName,sellerSku,status
1,700,01 Oct 2026 14:02,liza,,Liza Mendoza,12 Katipunan Ave,Quezon City,Philippines,COD,520,600,\
Serum,S-1,delivered
2,700,01 Oct 2026 14:02,liza,,Liza Mendoza,12 Katipunan Ave,Quezon City,Philippines,COD,100,100,\
Soap,S-2,canceled
"""
DHGATE = """\
订单编号,订单状态,下单时间,付款时间,买家昵称,订单总金额,收货国家
901,101009,2026-10-01 08:00,2026-10-01 09:00,bob,31.50,United States
"""


def test_shopify_fills_an_orders_cells_on_its_first_line_only(quick: Desk) -> None:
    report = quick.orders(quick.text(SHOPIFY))

    assert report.map_name == "shopify"
    assert quick.all("orders", "number", "state", "amount_minor", "refunded_minor") == [
        ("#1001", "shipped", 3500, 0),
        ("#1002", "refunded", 2000, 2000),
    ]
    assert quick.all("order_items", "sku", "quantity") == [("CUP-1", 2), ("CUP-1", 1), ("PLA-1", 1)]
    assert quick.all("consents", "basis") == ["consent", "none"]


def test_an_order_that_nobody_has_paid_is_not_paid_because_it_waits_to_be_packed(
    quick: Desk,
) -> None:
    waiting = SHOPIFY.replace("refunded,2026-10-01 10:11:12 +0300,", "pending,,").replace(
        "2026-10-03 10:00:00 +0300,card,20.00,", ",card,0.00,"
    )
    quick.orders(quick.text(waiting))
    before = quick.all("orders", "number", "state", "is_counted")[1]

    quick.orders(quick.text(waiting.replace("pending,,", "paid,2026-10-01 12:00:00 +0300,")))

    assert before == ("#1002", "placed", False)
    assert quick.all("orders", "number", "state", "is_counted")[1] == ("#1002", "paid", True)


def test_amazon_adds_up_its_lines_and_leaves_cancelled_ones_out(quick: Desk) -> None:
    report = quick.orders(quick.text(AMAZON, "report.txt"))

    assert (report.map_name, report.format, report.orders_without_address) == ("amazon", "tsv", 1)
    assert quick.all("orders", "state", "amount_minor", "currency") == [("shipped", 2680, "EUR")]
    assert quick.all("order_items", "title") == ['24" lamp', "Bulb"]
    assert quick.all("orders", "customer_id") == [None]


def test_amazons_second_report_brings_the_customer(quick: Desk) -> None:
    quick.orders(quick.text(AMAZON, "report.txt"))

    quick.orders(quick.text(UNSHIPPED, "unshipped.txt"))

    assert quick.all("customers", "email", "address_kind", "name", "street") == [
        ("k7@marketplace.amazon.de", "relay", "Karl Weiß", "Am Tor 1, 2. Stock")
    ]
    assert quick.all("orders", "customer_id", "state", "amount_minor") == [(1, "shipped", 2680)]


def test_aliexpress_takes_products_out_of_one_cell(quick: Desk) -> None:
    report = quick.orders(quick.text(ALIEXPRESS.encode("gb18030")), encodings=["gb18030"])

    assert (report.map_name, report.encoding) == ("aliexpress", "gb18030")
    assert quick.all("order_items", "sku", "title", "quantity") == [
        ("CUP-R", "Red cup, large", 2),
        ("PLA-1", "Plate", 1),
    ]
    assert quick.all("orders", "state", "amount_minor", "placed_at", "tracking_number") == [
        ("shipped", 2250, datetime(2026, 10, 1, 15, 30, tzinfo=UTC), "RB123456789CN")
    ]
    assert quick.all("customers", "name", "country") == [("Петрова Анна Ивановна", "RU")]
    assert report.orders_without_address == 1


@pytest.mark.parametrize(
    "cell",
    [
        "Cainiao Saver:LP0012345678",
        "Cainiao Saver：LP0012345678",
        "Cainiao Saver: LP0012345678;X:1",
    ],
)
def test_aliexpress_writes_carrier_and_number_into_one_cell(quick: Desk, cell: str) -> None:
    quick.orders(quick.text(ALIEXPRESS.replace("RB123456789CN", cell)))

    assert quick.all("orders", "carrier", "tracking_number") == [("Cainiao Saver", "LP0012345678")]


def test_ebay_has_an_empty_line_before_and_a_summary_after_the_table(quick: Desk) -> None:
    report = quick.orders(quick.text(EBAY))

    assert (report.map_name, report.problem_count) == ("ebay", 0)
    assert quick.all("orders", "number", "state", "amount_minor") == [("12-1", "shipped", 2200)]
    assert quick.all("customers", "address_kind", "country") == [("relay", "ES")]


def test_woocommerce_writes_months_first_and_thousands_with_commas(quick: Desk) -> None:
    quick.orders(quick.text(WOO))

    assert quick.all("orders", "state", "amount_minor", "currency") == [
        ("funds_pending", 123450, "EUR")
    ]
    assert quick.all("customers", "name", "given_name") == [("Anna Petrova", "Anna")]


def test_shopee_in_indonesian(quick: Desk) -> None:
    quick.currency = "IDR"

    report = quick.orders(quick.text(SHOPEE))

    assert report.map_name == "shopee"
    assert quick.all("orders", "state", "currency") == [("received", "IDR")]
    assert ("shopee", "siti88") in quick.all("customer_identities", "platform", "buyer_id")


def test_lazada_has_a_state_for_each_piece(quick: Desk) -> None:
    quick.currency = "PHP"

    report = quick.orders(quick.text(LAZADA))

    assert report.map_name == "lazada"
    assert quick.all("orders", "state", "amount_minor") == [("arrived", 52000)]


def test_dhgate_tells_states_by_code(quick: Desk) -> None:
    report = quick.orders(quick.text(DHGATE), map="dhgate")

    assert quick.all("orders", "state", "amount_minor") == [("shipped", 3150)]
    assert report.notes == ()


def test_an_unknown_word_for_a_state_is_noted_once(quick: Desk) -> None:
    report = quick.orders(quick.text(DHGATE.replace("101009", "999999")), map="dhgate")

    assert quick.all("orders", "state") == ["paid"]
    assert any("`999999`" in note and "订单状态" in note for note in report.notes)


@pytest.mark.parametrize("one", shipped_maps(), ids=lambda one: one.name)
def test_each_map_knows_its_own_header(one: ColumnMap) -> None:
    header = list(dict.fromkeys(headers[0] for headers in one.columns.values() if headers))

    found = bind(Path("x.csv"), [header], "orders", shipped_maps())

    assert found.map.name == one.name


def test_the_log_of_a_cd_shop_comes_in_by_header_and_by_place(quick: Desk, shared: Path) -> None:
    lines = (shared / "data" / "CDNOW_master.txt").read_text().splitlines()[:2000]

    by_header = quick.orders(quick.text("\n".join(lines)))
    by_place = quick.orders(quick.text("\n".join(lines[1:])), map="transactions")

    assert (by_header.map_name, by_header.format) == ("transactions", "text, blanks")
    assert by_header.orders_new == by_place.orders_unchanged > 1800
