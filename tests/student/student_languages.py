"""Short texts in languages that write words without spaces, made from small word lists."""

import random

TOPICS = {
    "zh": {
        "cooking": "面粉 黄油 烤箱 食谱 大蒜 酱油 米饭 炒锅 调料 厨房 烘焙 蔬菜 鸡蛋 汤勺",
        "sport": "足球 比赛 球员 教练 进球 冠军 联赛 球队 训练 裁判 奥运 跑步 体育场 决赛",
        "finance": "股票 银行 利率 投资 债券 市场 基金 通胀 贷款 经济 资产 收益 财务 税收",
    },
    "ja": {
        "cooking": "バター オーブン レシピ にんにく 醤油 ご飯 フライパン 調味料 台所 野菜 たまご 小麦粉 味噌汁 お菓子",
        "sport": "サッカー 試合 選手 監督 ゴール 優勝 リーグ チーム 練習 審判 五輪 マラソン スタジアム 決勝",
        "finance": "株式 銀行 金利 投資 債券 市場 ファンド インフレ 融資 経済 資産 収益 財務 税金",
    },
    "th": {
        "cooking": "แป้ง เนย เตาอบ สูตรอาหาร กระเทียม ซีอิ๊ว ข้าวสวย กระทะ เครื่องปรุง ห้องครัว ผัก ไข่ไก่ น้ำซุป ขนม",
        "sport": "ฟุตบอล การแข่งขัน นักเตะ โค้ช ประตู แชมป์ ลีก ทีม ฝึกซ้อม กรรมการ โอลิมปิก วิ่ง สนามกีฬา รอบชิง",
        "finance": "หุ้น ธนาคาร ดอกเบี้ย ลงทุน พันธบัตร ตลาด กองทุน เงินเฟ้อ สินเชื่อ เศรษฐกิจ สินทรัพย์ กำไร การเงิน ภาษี",
    },
}
FILLERS = {
    "zh": "的 和 在 是 了 我们 这个 很 非常 可以 因为 所以 今天",
    "ja": "の は を に と です ます この とても から そして 今日 ある",
    "th": "และ ที่ ใน เป็น ของ เรา นี้ มาก ได้ เพราะ วันนี้ แล้ว จะ",
}


def language_documents(language: str, n: int, seed: int) -> tuple[list[str], list[int]]:
    """Texts without a space in them, 6 words of a topic among 10 others, and their topics."""
    rng = random.Random(seed)
    topics = list(TOPICS[language].values())
    texts, labels = [], []
    for i in range(n):
        label = i % len(topics)
        words = rng.choices(topics[label].split(), k=6) + rng.choices(FILLERS[language].split(), k=8)
        words += rng.choices(rng.choice(topics).split(), k=2)
        rng.shuffle(words)
        texts.append("".join(words))
        labels.append(label)
    return texts, labels
