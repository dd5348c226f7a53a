"""The words of addresses that suggest an occupation, and those that say "only a street's name"."""

from __future__ import annotations

from crm_mailer.model.customer import Occupation

#: Most telling first. A legal form says "firm" whatever else the address says.
LEGAL_FORM = "legal_form"
ORDER: tuple[str, ...] = (
    LEGAL_FORM,
    Occupation.HOSPITAL,
    Occupation.MILITARY,
    Occupation.OFFICIAL,
    Occupation.STUDENT_OR_TEACHER,
    Occupation.COMPANY,
)

#: Whole words and phrases in English, Russian and Spanish, without case; phrases are parted by |.
WORDS: dict[str, str] = {
    LEGAL_FORM: """
        ltd | limited | llc | llp | inc | incorporated | corp | corporation | plc | gmbh | pty
        | co ltd | ооо | оао | зао | пао | ип | тоо | чп | тов | s.l | s.l.u | s.a | s.a.s | s.r.l
        | s.a. de c.v | s.a de c.v | ltda | s.de r.l
        """,
    Occupation.HOSPITAL: """
        hospital | clinic | infirmary | hospice | medical center | medical centre
        | health center | health centre
        | больница | поликлиника | госпиталь | клиника | роддом | црб | медсанчасть | диспансер
        | медицинский центр | медпункт
        | clínica | clinica | sanatorio | policlínico | policlinico | ambulatorio
        | centro de salud | centro médico | centro medico
        """,
    Occupation.MILITARY: """
        barracks | garrison | regiment | military base | army base | naval base | air base
        | air force base | afb | military academy | us army | army camp
        | apo ae | apo ap | apo aa | fpo ae | fpo ap | fpo aa
        | войсковая часть | воинская часть | в/ч | вч | военкомат | гарнизон | военный городок
        | военная академия | военное училище
        | cuartel | regimiento | base militar | base aérea | base aerea | base naval
        | academia militar
        """,
    Occupation.OFFICIAL: """
        city hall | town hall | courthouse | county court | district court | high court
        | supreme court | crown court | magistrates court | police station | police department
        | ministry | embassy | consulate | parliament | municipality | county council
        | city council | borough council | government office | prosecutor's office
        | администрация | прокуратура | районный суд | городской суд | областной суд
        | арбитражный суд | мировой суд | полиция | милиция | овд | увд | мвд | гувд | ровд
        | министерство | мэрия | ифнс | налоговая инспекция | таможня | пенсионный фонд
        | сельсовет | посольство | консульство
        | ayuntamiento | juzgado | juzgados | fiscalía | fiscalia | comisaría | comisaria
        | ministerio | alcaldía | alcaldia | municipalidad | diputación | diputacion
        | palacio de justicia | embajada | consulado
        """,
    Occupation.STUDENT_OR_TEACHER: """
        school | college | university | academy | kindergarten | campus | dormitory
        | residence hall | halls of residence | hall of residence | faculty | preschool
        | polytechnic
        | школа | гимназия | лицей | университет | институт | колледж | техникум | училище
        | академия | детский сад | детсад | сош | моу | мбоу | маоу | гбоу | мкоу | пту
        | студенческое общежитие | студенческий городок | студгородок
        | colegio | escuela | instituto | universidad | facultad | liceo | guardería | guarderia
        | residencia universitaria | colegio mayor
        """,
    Occupation.COMPANY: """
        company | factory | office | offices | warehouse | industrial estate | industrial park
        | business park | business centre | business center | trading estate
        | завод | фабрика | офис | оф | компания | фирма | предприятие | склад | бизнес-центр
        | бизнес центр | бц
        | empresa | fábrica | fabrica | oficina | almacén | almacen | polígono industrial
        | poligono industrial | nave industrial | parque industrial
        """,
}

#: After a place, it is a street, an estate or a house that is named so.
STREET_AFTER = frozenset(
    """
    street st str road rd lane ln avenue ave av drive dr close way hill court ct place pl square
    sq terrace ter crescent cres boulevard blvd gardens garden walk row green park mews parade
    highway hwy parkway pkwy circle cir trail loop alley path grove rise view heights village
    plaza city town towers tower apartments apts apt flats house houses cottage cottages farm field
    fields yard gate bridge corner crossing station metro district quarter mall inn hotel pub
    проспект пр пр-т улица ул переулок пер площадь пл бульвар б-р шоссе ш набережная наб тупик
    проезд
    """.split()
)
#: Before a place, in the same part of the address: a street is named so.
STREET_BEFORE = frozenset(
    """
    ул улица пр пр-т пр-кт просп проспект пер переулок пл площадь бул бульвар б-р ш шоссе наб
    набережная туп тупик проезд пр-д аллея м метро ст станция пос посёлок поселок мкр мкрн
    микрорайон р-н район остановка тц трц
    calle c/ c cl av avda avd avenida plaza pza plz paseo pº camino carretera ctra ronda travesía
    travesia pasaje callejón callejon glorieta barrio urbanización urbanizacion urb colonia col
    rue boulevard bd avenue place chemin allée impasse route rua travessa praça largo estrada via
    viale piazza corso metro
    """.split()
)
#: Shortly before a place: it is elsewhere, or was something once.
NOT_THERE = frozenset(
    """
    near nearby opposite opp behind beside next by close old former post home
    возле около рядом напротив бывшая бывший бывшее за
    cerca frente junto detrás detras antigua antiguo lado
    """.split()
)
#: A place that is followed by one of these speaks for itself, whatever comes after.
BREAKS = frozenset("of at for in de del и of. № no nº".split())

#: Words without blanks between them. `CHINESE_STREET` after one means a street or "beside it".
CHINESE: dict[str, str] = {
    LEGAL_FORM: "有限公司|有限责任公司|股份公司|集团公司",
    Occupation.HOSPITAL: "医院|诊所|卫生院|卫生所|门诊部|医療|醫院|診所",
    Occupation.MILITARY: "部队|武警|军区|军分区|军营|解放军|部隊|軍區",
    Occupation.OFFICIAL: (
        "人民政府|区政府|市政府|县政府|镇政府|乡政府|省政府|法院|检察院|公安局|派出所|税务局"
        "|海关大楼|政务中心|财政局|教育局|檢察院|警察局|市政廳"
    ),
    Occupation.STUDENT_OR_TEACHER: (
        "大学|学院|中学|小学|学校|高中|初中|幼儿园|职校|技校|党校|校区|学生宿舍|大學|學院|中學"
        "|小學|學校|幼稚園"
    ),
    Occupation.COMPANY: "公司|工厂|厂|工业园|产业园|科技园|写字楼|办公楼|商务楼|工廠|辦公室|寫字樓",
}
CHINESE_STREET = (
    "[东西南北中前后]?[一二三四五]?[路街巷弄道桥里]|胡同|大道|新村|小区|花园|城|站|路口"
    "|旁|对面|附近|隔壁|后面|前面|斜对|对过|門口旁"
)
